"""LoRA on the language model, and telling one base model from another."""

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hybrid.model.modeling import HybridForConditionalGeneration


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter on the language model.

    Attributes:
        rank: Of the two factors.
        alpha: The update is scaled by ``alpha / rank``.
        dropout: In training.
        targets: Names of the linear maps, or ``"all-linear"``.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.1
    targets: str | tuple[str, ...] = "all-linear"

    def add_to(self, model: HybridForConditionalGeneration) -> None:
        """Put a fresh adapter on the language model, and on nothing else; its weights are frozen.

        Raises:
            ValueError: If the rank is above the language model's width, or it has no such maps.
        """
        from peft import LoraConfig, get_peft_model

        if not 1 <= self.rank <= model.config.hidden_size:
            raise ValueError(f"LoRA's rank must be from 1 to {model.config.hidden_size}, but was {self.rank}")
        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
        )
        model.language_model.requires_grad_(False)
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.23 for this under the property's former name.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            model.language_model = get_peft_model(model.language_model, config)


def merge_lora(model: HybridForConditionalGeneration) -> None:
    """Add the adapter into the language model's weights, if there is one."""
    adapted = model.language_model
    if hasattr(adapted, "merge_and_unload"):
        parts = hashlib.sha256(fingerprint(adapted).encode())
        for name, weight in sorted(adapted.state_dict().items()):
            if "lora_" in name:
                parts.update(name.encode() + weight.detach().float().cpu().numpy().tobytes())
        merged = adapted.merge_and_unload()
        merged.made_of = parts.hexdigest()[:32]
        model.language_model = merged


def fingerprint(module: nn.Module, *, rounded: bool = False) -> str:
    """Tell one base model from another, whatever its dtype: names, shapes and the first weights of each.

    Where LoRA was merged, it is that of the parts: their sum is rounded differently on other processors.

    Args:
        module: A vision tower or a language model.
        rounded: Leave the values of matrices out: they are all that quantised files round, so that a model
            and a GGUF file of it have this fingerprint in common.

    Returns:
        32 hexadecimal digits.
    """
    plain: Any = module
    if hasattr(plain, "get_base_model"):
        plain = plain.get_base_model()
    if hasattr(plain, "made_of") and not rounded:
        return str(plain.made_of)
    digest = hashlib.sha256()
    for name, weight in sorted(module.state_dict().items()):
        if "lora_" in name:
            continue
        own = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        digest.update(f"{own} {tuple(weight.shape)}".encode())
        if rounded and weight.ndim > 1:
            continue
        first = weight.detach().flatten()[:256].to("cpu", torch.bfloat16)
        digest.update(first.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:32]
