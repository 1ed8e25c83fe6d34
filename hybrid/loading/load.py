"""A name or a folder becomes a model and its processor."""

import difflib
import json
from pathlib import Path
from typing import Any

import torch

from hybrid.loading.adapter import WEIGHTS, belongs, load_trained, located, lora_of, read_adapter
from hybrid.loading.base import Base
from hybrid.loading.checkpoints import CheckpointError
from hybrid.loading.compose import compose
from hybrid.loading.hub import fetched_folder, hub_offline
from hybrid.loading.names import ADAPTER, MODELS, ModelError, presets
from hybrid.loading.peft_adapter import CONFIG, PATTERNS, find_peft_adapter, open_peft_adapter
from hybrid.loading.pretrained import pretrained
from hybrid.model.configuration import HybridConfig
from hybrid.model.connectors import build_connector
from hybrid.model.lora import merge_lora
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.presets import read_caption_preset
from qproj.backends import get_backend
from qproj.noise import NoiseModel

Captioner = tuple[HybridForConditionalGeneration, HybridProcessor]


def load(
    name: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    backend: str | None = None,
    shots: int | None = None,
    noise: NoiseModel | None = None,
    seed: int | None = None,
    revision: str | None = None,
) -> Captioner:
    """Load a captioner.

    Args:
        name: A preset (``"scenes-mini"``, the bundled one and the default), a folder that `save_pretrained`
            or ``hybrid train`` wrote or that is a copy of TinyLlama-VLM-LoRA, or ``owner/name`` on the
            Hugging Face hub.
        device: Where to put the model.
        dtype: Of its weights, by default as saved, and float32 for the bundled model; the connector's are
            float32 where this is less.
        backend: Who runs the quantum circuit: ``"jax"`` or a PennyLane device. As saved by default.
        shots: Measurements for each expectation value; exact values by default.
        noise: Noise of the circuit, a `qproj.noise.NoiseModel`; none by default.
        seed: Of measurements and of what noise does at random, for backends that take one: equal calls of
            equal seed give equal values.
        revision: Of a name on the hub: a branch, a tag or a commit.

    Returns:
        The model, in evaluation mode, and its processor. ``model.config.connector_trained`` is False where
        the connector has fresh weights, as in some presets.

    Raises:
        ModelError: If there is no such model, or it does not fit its own configuration.
        ValueError: If the backend is unknown, or cannot do what is asked.
        ImportError: If the backend is not installed.
    """
    where = MODELS.get(str(name or "scenes-mini"), name)
    path = Path(str(where))
    if str(where) in presets():
        model, processor = build_preset(str(where), dtype)
    elif _is_folder(path):
        model, processor = _from_folder(path, dtype)
    elif (
        str(where).count("/") == 1
        and len(str(where)) < 256
        and not path.exists()
        and not str(where).startswith((".", "/", "~"))
    ):
        model, processor = _from_hub(str(where), revision, dtype)
    else:
        raise ModelError(str(name), _unknown(str(name)))
    if backend is not None or shots is not None or noise is not None:
        use_backend(model, backend or "jax", shots, noise, seed)
    return model.to(device).eval(), processor


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long to be any file's
        return False


def use_backend(
    model: HybridForConditionalGeneration,
    backend: Any,
    shots: int | None = None,
    noise: NoiseModel | None = None,
    seed: int | None = None,
) -> None:
    """Let another backend run a model's circuit.

    Args:
        model: With a quantum connector.
        backend: ``"jax"``, the name of a PennyLane device, or such a device.
        shots: Measurements for each expectation value; exact values if left out.
        noise: As for `load`.
        seed: As for `load`.

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
    seed = seed if get_backend(backend).capabilities.seed else None
    projection.to_backend(backend, shots, noise=noise, seed=seed)


def build_base(
    base: Base, connector: dict[str, Any] | None, prompt: str | None, dtype: torch.dtype | None = None
) -> Captioner:
    """Load base models and join them.

    Args:
        base: What to load.
        connector: Of a fresh connector; if this is left out, a captioner's or an adapter's own is kept.
        prompt: The default prompt; the base's own if left out.
        dtype: Of the base's weights; by default float32, and as saved for a captioner.

    Raises:
        ModelError: If a part cannot be loaded.
        ValueError: If the connector cannot be built.
    """
    if base.model is not None:
        model, processor = load(base.model, revision=base.revision, dtype=dtype)
        if base.vision_feature not in (None, model.config.vision_feature):
            raise ValueError(
                f"vision_feature goes with vision and language: {base.model} reads "
                f"{model.config.vision_feature!r}"
            )
        if connector is not None:
            sizes = model.config.vision_hidden_size, model.config.hidden_size
            model.connector = build_connector(connector, *sizes)
            model.config.connector = dict(connector)
            model.config.connector_trained = False
            processor.n_image_tokens = model.n_vision_tokens
    else:
        assert base.vision is not None
        assert base.language is not None
        published = open_peft_adapter(base.adapter, base.adapter_revision) if base.adapter else None
        own = published.connector() if published and connector is None else None
        model, processor = compose(
            base.vision,
            base.language,
            own.options if own else connector,
            vision_feature=base.vision_feature,
            dtype=dtype or torch.float32,
            vision_revision=base.vision_revision,
            language_revision=base.language_revision,
        )
        if published:
            published.add_lora(model)
        if own:
            own.load_into(model)
            processor.joined = False  # prompts and captions were encoded apart when it was trained
    if prompt is not None:
        processor.prompt = prompt
    return model.eval(), processor


def build_preset(name: str, dtype: torch.dtype | None = None) -> Captioner:
    """Load what a preset in ``hybrid/presets/captions`` is built on, with the connector that it says."""
    table = read_caption_preset(name)
    model, processor = build_base(Base.of_preset(name), table.get("connector"), table.get("prompt"), dtype)
    model.config.name_or_path = name
    return model, processor


def load_adapter(folder: Path, *, merge: bool = True, dtype: torch.dtype | None = None) -> Captioner:
    """Load the base models, and put a trained connector and LoRA on them.

    Args:
        folder: What `hybrid.loading.adapter.save_adapter` wrote.
        merge: Add LoRA into the language model's weights.
        dtype: Of the base's weights, see `build_base`.

    Returns:
        The model and its processor.

    Raises:
        ModelError: If a base model cannot be loaded or is another one, or the folder is damaged.
    """
    found = read_adapter(folder)
    base = located(Base(**found["base"]), folder)
    if Path(base.model or "/").resolve() == folder.resolve():
        raise ModelError(str(folder), "names itself as its base; get a whole copy")
    try:
        model, processor = build_base(base, found["connector"], found["prompt"], dtype)
        processor.joined, processor.chat = found.get("joined") is True, found.get("chat") is True
        parts = {
            "vision": (model.vision_tower, base.vision),
            "language": (model.language_model, " with ".join(filter(None, (base.language, base.adapter)))),
        }
        for name, (part, source) in parts.items():
            if belongs(part, found, name) is None:
                raise ModelError(
                    str(folder),
                    f"was trained on another {name} model than {source or base.model} is now; load the "
                    f"one it "
                    "belongs to",
                )
        lora = lora_of(found)
        if lora:
            lora.add_to(model)
        load_trained(model, folder / WEIGHTS)
        model.config.connector_trained = True
    except ModelError:
        raise
    except CheckpointError as error:
        raise ModelError(str(error)) from None
    except (ValueError, TypeError, MemoryError) as error:
        raise ModelError(str(folder), f"{ADAPTER} does not fit its base ({error})") from error
    if merge:
        merge_lora(model)
    model.config.name_or_path = str(folder)
    return model, processor


def _from_folder(path: Path, dtype: torch.dtype | None) -> Captioner:
    if (path / ADAPTER).is_file():
        return load_adapter(path, dtype=dtype)
    if not (path / "config.json").is_file():
        published = find_peft_adapter(path)
        if published:
            return _from_peft_adapter(str(path), published.language, dtype)
        raise ModelError(str(path), "holds no config.json; give a folder that save_pretrained wrote")
    try:
        kind = json.loads((path / "config.json").read_text())["model_type"]
    except (ValueError, KeyError, TypeError):
        raise ModelError(str(path), "config.json is damaged; get a whole copy") from None
    if kind != HybridConfig.model_type:
        raise ModelError(
            str(path),
            f"is a {kind!r} model, not a captioner of this package; hybrid.compose joins a "
            "vision tower and a language model into one",
        )
    return pretrained(str(path), dtype)


def _from_hub(name: str, revision: str | None, dtype: torch.dtype | None) -> Captioner:
    offline = hub_offline(name, revision, ("config.json", ADAPTER, CONFIG))
    small = ["config.json", ADAPTER, "adapter.safetensors", "digests.json", *PATTERNS]
    folder = fetched_folder(name, revision, small, offline=offline)
    if folder and (folder / ADAPTER).is_file():
        return _from_folder(folder, dtype)
    published = find_peft_adapter(folder) if folder else None
    if published:
        return _from_peft_adapter(name, published.language, dtype, revision)
    return pretrained(name, dtype, local_files_only=offline, revision=revision)


def _from_peft_adapter(
    name: str, language: str, dtype: torch.dtype | None, revision: str | None = None
) -> Captioner:
    """Join the parts of TinyLlama-VLM-LoRA, or of an adapter like it. It names all but its vision tower."""
    preset = Base.of_preset("tinyllama-vlm-lora")
    base = Base(vision=preset.vision, language=language, adapter=name, adapter_revision=revision)
    model, processor = build_base(base, None, None, dtype)
    model.config.name_or_path = name
    return model, processor


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, presets(), 1)
    hint = f"; did you mean {near[0]}?" if near else f"; presets: {', '.join(presets())}"
    known = "a folder that save_pretrained wrote, or owner/name on the hub"
    return f"no such preset or folder{hint}; or give {known}"
