"""Small checkpoints: connector and LoRA, and the names of the base models.

A folder holds ``adapter.json`` (the base models with their revisions and fingerprints, the connector and LoRA
options, the prompt), ``adapter.safetensors`` and the digests of both. Nothing in it is a pickle.

A base that begins with ``./`` lies in the folder itself. Where several copies of a language model serve, its
fingerprint is a table of them by name, and ``rounded`` is that of what quantised files leave as it is.
"""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hybrid.loading.base import Base
from hybrid.loading.checkpoints import CheckpointError, few, misfits, verify, whole_folder
from hybrid.loading.names import ADAPTER, ModelError
from hybrid.model.lora import Lora, fingerprint
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor

WEIGHTS = "adapter.safetensors"
_VERSION = 1


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The connector with its buffers, and LoRA's weights, by their names in the model."""
    return {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name.startswith("connector.") or "lora_" in name
    }


def load_trained(model: nn.Module, file: Path) -> None:
    """Put tensors of a file back where `trained_tensors` found them.

    Raises:
        CheckpointError: Naming every tensor that is missing, not part of the model or of another shape.
    """
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(str(file), f"cannot be read ({error}); get a whole copy") from None
    faults = misfits(tensors, trained_tensors(model))
    if faults:
        raise CheckpointError(
            str(file), f"does not fit the model ({few(faults)}); get the one that belongs to it"
        )
    model.load_state_dict(tensors, strict=False)


def save_adapter(
    folder: Path,
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    base: Base,
    lora: Lora | None,
) -> None:
    """Save connector and LoRA, and the names of the rest, all of it or nothing.

    Args:
        folder: Where to.
        model: With its LoRA not merged.
        processor: Its processor.
        base: What the rest was loaded from.
        lora: The adapter that is on the language model.

    Raises:
        CheckpointError: If it cannot be written.
    """
    description = {
        "version": _VERSION,
        "base": asdict(base.pinned()),
        "fingerprints": {
            "vision": fingerprint(model.vision_tower),
            "language": fingerprint(model.language_model),
        },
        "vision_hidden_size": model.config.vision_hidden_size,
        "hidden_size": model.config.hidden_size,
        "connector": model.config.connector,
        "prompt": processor.prompt,
        "joined": processor.joined,
        "chat": processor.chat,
        "lora": asdict(lora) if lora else None,
    }
    write_adapter(folder, description, trained_tensors(model))


def write_adapter(folder: Path, description: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write what `read_adapter` and `load_trained` read."""
    with whole_folder(folder) as part:
        (part / ADAPTER).write_text(json.dumps(description, indent=2) + "\n")
        save_file(tensors, part / WEIGHTS)


def read_adapter(folder: Path) -> dict[str, Any]:
    """Read ``adapter.json`` and check every part of it.

    Raises:
        ModelError: If anything in it, or in the files beside it, is not as `save_adapter` wrote it.
    """
    try:
        verify(folder)
        found = json.loads((folder / ADAPTER).read_text())
    except CheckpointError as error:
        raise ModelError(str(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(str(folder), f"{ADAPTER} is damaged ({error}); get a whole copy") from None
    fault = _fault(found)
    if fault:
        raise ModelError(str(folder), f"{ADAPTER} {fault}; get a whole copy")
    return dict(found)


def _fault(found: Any) -> str | None:
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        return f"is not of version {_VERSION}"
    base, lora = found.get("base"), found.get("lora")
    names = {field.name for field in fields(Base)}
    if not isinstance(base, dict) or not set(base) <= names:
        return f"must name its base by {', '.join(sorted(names))}"
    if not all(value is None or isinstance(value, str) for value in base.values()):
        return "must name its base by texts"
    named = Base(**base)
    if (named.model is None) == (named.vision is None) or (named.vision is None) != (named.language is None):
        return "must name either a model, or vision and language, as its base"
    if not isinstance(found.get("connector"), dict) or not isinstance(found.get("prompt"), str):
        return "must have a connector and a prompt"
    prints = found.get("fingerprints")
    if not isinstance(prints, dict) or not {"vision", "language"} <= set(prints):
        return "must have fingerprints of vision and language"
    if lora is not None:
        kinds: dict[str, Any] = {
            "rank": int,
            "alpha": (int, float),
            "dropout": (int, float),
            "targets": (str, list),
        }
        if not isinstance(lora, dict) or set(lora) != set(kinds):
            return f"must give LoRA by {', '.join(kinds)}"
        if not all(isinstance(lora[name], kind) for name, kind in kinds.items()):
            return "must give LoRA by numbers and names"
    return None


def belongs(part: nn.Module, description: dict[str, Any], name: str) -> str | None:
    """Which of the models that a checkpoint was measured on a base model is.

    Args:
        part: The base model.
        description: What `read_adapter` returned.
        name: ``"vision"`` or ``"language"``.

    Returns:
        The name of the copy, ``"another rounding"`` of the same model where that serves, ``"the one"`` where
        copies have no names; None if it is another model.
    """
    prints = description["fingerprints"]
    known = prints[name] if isinstance(prints[name], dict) else {"the one": prints[name]}
    mine = fingerprint(part)
    for source, print_ in known.items():
        if mine == print_:
            return str(source)
    rounded = prints.get("rounded")
    if name == "language" and rounded and fingerprint(part, rounded=True) == rounded:
        return "another rounding"
    return None


def located(base: Base, folder: Path) -> Base:
    """A base whose parts in a checkpoint's own folder are found there."""
    own = {
        name: str(folder / value)
        for name, value in asdict(base).items()
        if name in ("vision", "language") and value and value.startswith("./") and ".." not in value
    }
    return replace(base, **own)


def lora_of(description: dict[str, Any]) -> Lora | None:
    """The LoRA options in ``adapter.json``."""
    given = description["lora"]
    if given is None:
        return None
    targets = given["targets"] if isinstance(given["targets"], str) else tuple(given["targets"])
    return Lora(given["rank"], given["alpha"], given["dropout"], targets)
