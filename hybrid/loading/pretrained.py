"""A whole captioner from a folder that `save_pretrained` wrote, or its like on the hub."""

import torch

from hybrid.loading.checkpoints import few
from hybrid.loading.names import ModelError, presets, reason
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import IMAGE_TOKEN, HybridProcessor


def pretrained(
    where: str, dtype: torch.dtype | None, *, local_files_only: bool = True, revision: str | None = None
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Load a captioner, and compare its weights with its configuration.

    Raises:
        ModelError: If it cannot be read, or its parts do not fit each other.
    """
    try:
        model, report = HybridForConditionalGeneration.from_pretrained(
            where,
            dtype=dtype or "auto",
            output_loading_info=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # so that all of them can be named below
            local_files_only=local_files_only,
            revision=revision or "main",
        )
        processor = HybridProcessor.from_pretrained(
            where, local_files_only=local_files_only, revision=revision or "main"
        )
    except Exception as error:  # what a damaged or hostile folder may raise is not bounded
        raise ModelError(
            str(where),
            f"cannot be loaded ({reason(error)}); get a whole copy, or one of the presets: "
            f"{', '.join(presets())}",
        ) from error
    faults = [f"{key} is missing" for key in sorted(report["missing_keys"])]
    faults += [f"{key} is not part of it" for key in sorted(report["unexpected_keys"])]
    faults += [
        f"{key} is {tuple(stored)}, not {tuple(wanted)}"
        for key, stored, wanted in sorted(report["mismatched_keys"])
    ]
    if faults:
        raise ModelError(
            str(where), f"its weights do not fit its config.json ({few(faults)}); get a whole copy"
        )
    if processor.image_token_id != model.config.image_token_id:
        raise ModelError(
            str(where),
            f"its tokenizer writes {IMAGE_TOKEN} as {processor.image_token_id}, but its "
            f"config.json has image_token_id {model.config.image_token_id}; get a whole copy",
        )
    return model, processor
