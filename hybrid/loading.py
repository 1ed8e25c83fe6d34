"""A name or a folder becomes a model and its processor."""

import difflib
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from huggingface_hub import constants, try_to_load_from_cache
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer

from hybrid.configuration import HybridConfig
from hybrid.modeling import HybridForConditionalGeneration
from hybrid.models import BUNDLED, MODELS
from hybrid.processing import DEFAULT_PROMPT, IMAGE_TOKEN, HybridProcessor


class ModelError(ValueError):
    """A model that cannot be loaded. The message is one line that names it, the reason and the way out."""


def load(
    name: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    backend: str | None = None,
    shots: int | None = None,
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Load a captioner.

    Args:
        name: A preset (``"scenes-mini"``, the bundled one and the default), a folder that `save_pretrained`
            wrote, or ``owner/name`` on the Hugging Face hub.
        device: Where to put the model.
        dtype: Of its weights; by default as saved, and float32 for the bundled model.
        backend: Who runs the quantum circuit: ``"jax"`` or a PennyLane device. As saved by default.
        shots: Measurements for each expectation value, on PennyLane devices; exact values by default.

    Returns:
        The model, in evaluation mode, and its processor.

    Raises:
        ModelError: If there is no such model, or it does not fit its own configuration.
        ValueError: If the backend is unknown, or cannot do what is asked.
        ImportError: If the backend is not installed.
    """
    where = MODELS.get(str(name or "scenes-mini"), name)
    path = Path(str(where))
    if path.is_dir():
        model, processor = _from_folder(path)
    elif str(where).count("/") == 1 and not path.exists() and not str(where).startswith((".", "/", "~")):
        model, processor = _from_hub(str(where))
    else:
        raise ModelError(_unknown(str(name)))
    if backend is not None or shots is not None:
        use_backend(model, backend or "jax", shots)
    return model.to(device=device, dtype=dtype).eval(), processor


def use_backend(model: HybridForConditionalGeneration, backend: Any, shots: int | None = None) -> None:
    """Let another backend run a model's circuit.

    Args:
        model: With a quantum connector.
        backend: ``"jax"``, the name of a PennyLane device, or such a device.
        shots: Measurements for each expectation value, on PennyLane devices; exact values if left out.

    Raises:
        ValueError: If the connector has no circuit, or there is no such backend, or it cannot do it.
        ImportError: If the backend is not installed.
    """
    projection = getattr(model.connector, "projection", None)
    if projection is None:
        kind = (model.config.connector or {}).get("type")
        raise ValueError(
            f"backend {backend!r} was given, but a {kind} connector has no circuit; leave it out"
        )
    projection.to_backend(backend, shots)


def _from_folder(path: Path) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    if not (path / "config.json").is_file():
        raise ModelError(f"model {path}: holds no config.json; give a folder that save_pretrained wrote")
    try:
        kind = json.loads((path / "config.json").read_text())["model_type"]
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"model {path}: config.json is damaged; get a whole copy") from None
    if kind != HybridConfig.model_type:
        raise ModelError(
            f"model {path}: is a {kind!r} model, not a captioner of this package; hybrid.compose joins a "
            "vision tower and a language model into one"
        )
    return _pretrained(str(path))


def _from_hub(name: str) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    # Asked here, because the hub's own client tries for a minute before it gives up without a network.
    offline = constants.HF_HUB_OFFLINE or not _reachable(constants.ENDPOINT)
    if offline and try_to_load_from_cache(name, "config.json") is None:
        raise ModelError(
            f"model {name}: is neither a folder here nor in the local cache, and the hub cannot be reached; "
            f"connect once to download it, or give a folder, or one of the presets: {', '.join(MODELS)}"
        )
    return _pretrained(name, local_files_only=offline)


def _reachable(address: str, seconds: float = 3.0) -> bool:
    if getproxies():  # then it is the proxy's business
        return True
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
    except OSError:
        return False
    return True


def _pretrained(
    where: str, *, local_files_only: bool = True
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    try:
        model, report = HybridForConditionalGeneration.from_pretrained(
            where,
            output_loading_info=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # so that all of them can be named below
            local_files_only=local_files_only,
        )
        processor = HybridProcessor.from_pretrained(where, local_files_only=local_files_only)
    except (OSError, RuntimeError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ModelError(
            f"model {where}: cannot be loaded ({reason}); known presets: {', '.join(MODELS)}"
        ) from error
    faults = [f"{key} is missing" for key in sorted(report["missing_keys"])]
    faults += [f"{key} is not part of it" for key in sorted(report["unexpected_keys"])]
    faults += [
        f"{key} is {tuple(stored)}, not {tuple(wanted)}"
        for key, stored, wanted in sorted(report["mismatched_keys"])
    ]
    if faults:
        shown = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
        raise ModelError(f"model {where}: its weights do not fit its config.json ({shown}); get a whole copy")
    return model, processor


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, MODELS, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; presets: {', '.join(MODELS)}"
    return (
        f"model {name}: no such preset or folder{hint}; or give a folder that "
        "save_pretrained wrote, or owner/name on the hub"
    )


def compose(
    vision: str | Path,
    language: str | Path,
    connector: dict[str, Any] | None = None,
    *,
    prompt: str = DEFAULT_PROMPT,
    dtype: torch.dtype = torch.float32,
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Join a vision tower and a language model by a fresh, untrained connector.

    Args:
        vision: A vision tower, or a CLIP model that holds one: a folder or a hub name, such as
            ``openai/clip-vit-base-patch32``.
        language: A causal language model with its tokenizer, such as ``TinyLlama/TinyLlama-1.1B-Chat-v1.0``.
        connector: ``{"type": name, **options}``; a quantum one of 4 qubits by default. Widths are read from
            the two configurations.
        prompt: What the processor asks by default.
        dtype: Of the weights.

    Returns:
        The model and its processor.
    """
    tower = AutoModel.from_pretrained(str(vision), dtype=dtype)
    tower = getattr(tower, "vision_model", tower)
    speaker = AutoModelForCausalLM.from_pretrained(str(language), dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(str(language))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    config = HybridConfig(
        vision_config=tower.config,
        text_config=speaker.config,
        connector=connector,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
    )
    model = HybridForConditionalGeneration(config)
    model.vision_tower, model.language_model = tower, speaker
    model.generation_config = speaker.generation_config
    images = AutoImageProcessor.from_pretrained(str(vision), backend="pil")
    processor = HybridProcessor(images, tokenizer, n_image_tokens=model.connector.n_tokens, prompt=prompt)
    return model.to(dtype), processor


__all__ = ["BUNDLED", "MODELS", "ModelError", "compose", "load", "use_backend"]
