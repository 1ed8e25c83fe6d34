"""A vision tower and a language model become one captioner, joined by a fresh connector."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer

from hybrid.loading.hub import hub_offline
from hybrid.loading.names import ModelError, reason
from hybrid.model.configuration import HybridConfig
from hybrid.model.connectors import build_connector
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import DEFAULT_PROMPT, IMAGE_TOKEN, HybridProcessor


def compose(
    vision: str | Path,
    language: str | Path,
    connector: dict[str, Any] | None = None,
    *,
    prompt: str = DEFAULT_PROMPT,
    dtype: torch.dtype = torch.float32,
    vision_revision: str | None = None,
    language_revision: str | None = None,
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Join a vision tower and a language model by a fresh, untrained connector.

    Args:
        vision: A vision tower, or a CLIP or SigLIP model that holds one: a folder or a hub name, such as
            ``openai/clip-vit-base-patch32``.
        language: A causal language model with its tokenizer, such as ``TinyLlama/TinyLlama-1.1B-Chat-v1.0``.
        connector: ``{"type": name, **options}``; a quantum one of 4 qubits by default. Widths are read from
            the two configurations.
        prompt: What the processor asks by default.
        dtype: Of the weights; the connector's are float32 where this is less.
        vision_revision: Of the vision tower on the hub: a branch, a tag or a commit.
        language_revision: Of the language model.

    Returns:
        The model and its processor. A tower without a class token, such as SigLIP's, is read by its pooler.

    Raises:
        ModelError: If a part cannot be loaded.
        ValueError: If the connector cannot be built.
    """
    sight, speech = _source(vision, vision_revision), _source(language, language_revision)
    tower = _part("vision tower", vision, lambda: AutoModel.from_pretrained(**sight, dtype=dtype))
    tower = getattr(tower, "vision_model", tower)
    speaker = _part(
        "language model", language, lambda: AutoModelForCausalLM.from_pretrained(**speech, dtype=dtype)
    )
    tokenizer = _part("tokenizer", language, lambda: AutoTokenizer.from_pretrained(**speech))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    config = HybridConfig(
        vision_config=tower.config,
        text_config=speaker.config,
        connector=connector,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        vision_feature="pooled" if "siglip" in tower.config.model_type else "cls",
        connector_trained=False,
    )
    with torch.device("meta"):  # the frame; weights that are replaced at once are neither made nor drawn
        model = HybridForConditionalGeneration(config)
    model.vision_tower, model.language_model = tower, speaker
    assert config.connector is not None
    model.connector = build_connector(config.connector, config.vision_hidden_size, config.hidden_size)
    model.connector.to(torch.promote_types(dtype, torch.float32))
    model.generation_config = speaker.generation_config
    images = _part(
        "image processor", vision, lambda: AutoImageProcessor.from_pretrained(**sight, backend="pil")
    )
    processor = HybridProcessor(images, tokenizer, n_image_tokens=model.connector.n_tokens, prompt=prompt)
    return model, processor


def _source(name: str | Path, revision: str | None) -> dict[str, Any]:
    """What `from_pretrained` needs to fetch a part, and never runs code that comes with it."""
    common = {"pretrained_model_name_or_path": str(name), "trust_remote_code": False}
    if Path(name).is_dir():
        return common | {"local_files_only": True}
    if str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        raise ModelError(f"model {name}: no such folder; give a folder, or owner/name on the hub")
    offline = hub_offline(str(name), revision)
    return common | {"local_files_only": offline, "revision": revision or "main"}


def _part(kind: str, name: str | Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # what a damaged or hostile folder may raise is not bounded
        raise ModelError(
            f"model {name}: its {kind} cannot be loaded ({reason(error)}); get a whole copy"
        ) from error
