"""Which number format matrix products are fastest in, on the device at hand."""

from collections.abc import Mapping
from typing import Any

import torch


def multiplies_bfloat16(*, use_cpu: bool) -> bool:
    """Whether the device multiplies bfloat16 itself: elsewhere it would be slower than float32.

    Releases of torch that do not say what the processor can (`torch.cpu.get_capabilities`) count as no.

    Args:
        use_cpu: Ask of the processor, else of the GPU.
    """
    if not use_cpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
