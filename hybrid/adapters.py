"""Small checkpoints: what was trained, connector and LoRA, and which models it belongs to.

A folder holds ``adapter.json`` (the base models with their revisions and fingerprints, the connector and LoRA
options, the prompt), ``adapter.safetensors`` and the digests of both. Nothing in it is a pickle.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hybrid.checkpoints import CheckpointError, verify, whole_folder
from hybrid.connectors import build_connector
from hybrid.loading import ADAPTER, MODELS, ModelError, compose, load
from hybrid.modeling import HybridForConditionalGeneration
from hybrid.processing import HybridProcessor

WEIGHTS = "adapter.safetensors"
_VERSION = 1


@dataclass(frozen=True)
class Base:
    """The models that training starts from: a whole captioner, or a vision tower and a language model.

    Attributes:
        model: What `hybrid.load` takes.
        revision: Of it, on the hub.
        vision: What `hybrid.compose` takes.
        vision_revision: Of it, on the hub.
        language: What `hybrid.compose` takes.
        language_revision: Of it, on the hub.
    """

    model: str | None = None
    revision: str | None = None
    vision: str | None = None
    vision_revision: str | None = None
    language: str | None = None
    language_revision: str | None = None

    def build(
        self, connector: dict[str, Any] | None, prompt: str | None, dtype: torch.dtype | None = None
    ) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
        """Load the base models and join them.

        Args:
            connector: Of a fresh connector; a captioner's own is kept if this is left out.
            prompt: The default prompt; the base's own if left out.
            dtype: Of the base's weights; by default float32, and as saved for a captioner.

        Raises:
            ModelError: If a part cannot be loaded.
            ValueError: If the connector cannot be built.
        """
        if self.model is not None:
            model, processor = load(self.model, revision=self.revision, dtype=dtype)
            if connector is not None:
                sizes = model.config.vision_hidden_size, model.config.hidden_size
                model.connector = build_connector(connector, *sizes)
                model.config.connector = dict(connector)
        else:
            assert self.vision is not None
            assert self.language is not None
            model, processor = compose(
                self.vision,
                self.language,
                connector,
                dtype=dtype or torch.float32,
                vision_revision=self.vision_revision,
                language_revision=self.language_revision,
            )
        if prompt is not None:
            processor.prompt = prompt
        return model.eval(), processor

    def pinned(self) -> "Base":
        """The same with absolute folders, and the commits that names on the hub stand for in the cache."""
        return Base(
            *_pin(self.model, self.revision),
            *_pin(self.vision, self.vision_revision),
            *_pin(self.language, self.language_revision),
        )


def _pin(name: str | None, revision: str | None) -> tuple[str | None, str | None]:
    if name is None or name in MODELS:
        return name, None
    if Path(name).is_dir():
        return str(Path(name).resolve()), None
    for file in (ADAPTER, "config.json"):
        path = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(path, str):
            return name, Path(path).parent.name
    return name, revision


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
        """Put a fresh adapter on the language model, and on nothing else; its weights are frozen."""
        from peft import LoraConfig, get_peft_model

        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
        )
        model.language_model.requires_grad_(False)
        model.language_model = get_peft_model(model.language_model, config)


def merge_lora(model: HybridForConditionalGeneration) -> None:
    """Add the adapter into the language model's weights, if there is one."""
    if hasattr(model.language_model, "merge_and_unload"):
        model.language_model = model.language_model.merge_and_unload()


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
        raise CheckpointError(f"checkpoint {file}: cannot be read ({error}); get a whole copy") from None
    wanted = trained_tensors(model)
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is not part of it" for name in tensors if name not in wanted]
    faults += [
        f"{name} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
        for name, tensor in tensors.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    if faults:
        shown = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
        raise CheckpointError(
            f"checkpoint {file}: does not fit the model ({shown}); get the one that belongs to it"
        )
    model.load_state_dict(tensors, strict=False)


def fingerprint(module: nn.Module) -> str:
    """Tell one base model from another, whatever its dtype: names, shapes and the first weights of each.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(module.state_dict().items()):
        if "lora_" in name:
            continue
        plain = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        digest.update(f"{plain} {tuple(weight.shape)}".encode())
        first = weight.detach().flatten()[:256].to("cpu", torch.bfloat16)
        digest.update(first.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:32]


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
        raise ModelError(f"model {folder}: {ADAPTER} is damaged ({error}); get a whole copy") from None
    fault = _fault(found)
    if fault:
        raise ModelError(f"model {folder}: {ADAPTER} {fault}; get a whole copy")
    return dict(found)


def _fault(found: Any) -> str | None:
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        return f"is not of version {_VERSION}"
    base, lora = found.get("base"), found.get("lora")
    names = {field.name for field in fields(Base)}
    if not isinstance(base, dict) or set(base) != names:
        return f"must name its base by {', '.join(sorted(names))}"
    if not all(value is None or isinstance(value, str) for value in base.values()):
        return "must name its base by texts"
    if (base["model"] is None) == (base["vision"] is None) or (base["vision"] is None) != (
        base["language"] is None
    ):
        return "must name either a model, or vision and language, as its base"
    if not isinstance(found.get("connector"), dict) or not isinstance(found.get("prompt"), str):
        return "must have a connector and a prompt"
    prints = found.get("fingerprints")
    if not isinstance(prints, dict) or set(prints) != {"vision", "language"}:
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


def lora_of(description: dict[str, Any]) -> Lora | None:
    """The adapter that ``adapter.json`` speaks of."""
    given = description["lora"]
    if given is None:
        return None
    targets = given["targets"] if isinstance(given["targets"], str) else tuple(given["targets"])
    return Lora(given["rank"], given["alpha"], given["dropout"], targets)


def load_adapter(
    folder: Path, *, merge: bool = True, dtype: torch.dtype | None = None
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Load the base models, and put a trained connector and LoRA on them.

    Args:
        folder: What `save_adapter` wrote.
        merge: Add LoRA into the language model's weights.
        dtype: Of the base's weights, see `Base.build`.

    Returns:
        The model and its processor.

    Raises:
        ModelError: If a base model cannot be loaded or is another one, or the folder is damaged.
    """
    found = read_adapter(folder)
    if Path(found["base"]["model"] or "/").resolve() == folder.resolve():
        raise ModelError(f"model {folder}: names itself as its base; get a whole copy")
    try:
        model, processor = Base(**found["base"]).build(found["connector"], found["prompt"], dtype)
        for name, part in (("vision", model.vision_tower), ("language", model.language_model)):
            if fingerprint(part) != found["fingerprints"][name]:
                raise ModelError(
                    f"model {folder}: was trained on another {name} model than "
                    f"{found['base'][name] or found['base']['model']} is now; load the one it belongs to"
                )
        lora = lora_of(found)
        if lora:
            lora.add_to(model)
        load_trained(model, folder / WEIGHTS)
    except ModelError:
        raise
    except CheckpointError as error:
        raise ModelError(str(error)) from None
    except (ValueError, TypeError, MemoryError) as error:
        raise ModelError(f"model {folder}: {ADAPTER} does not fit its base ({error})") from error
    if merge:
        merge_lora(model)
    model.config.name_or_path = str(folder)
    return model, processor
