"""A vision tower and a language model become one captioner, joined by a fresh connector."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer

from hybrid.loading.checkpoints import few
from hybrid.loading.downloads import downloaded
from hybrid.loading.hub import cached_folder, hub_offline
from hybrid.loading.names import ModelError, reason
from hybrid.model.configuration import HybridConfig
from hybrid.model.connectors import build_connector
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import DEFAULT_PROMPT, IMAGE_TOKEN, HybridProcessor
from hybrid.model.vision import default_feature, parse_feature, read_feature

# What transformers needs to read some files, by the name to import: how to get it.
_READERS = {
    "sentencepiece": "sentencepiece",
    "google.protobuf": "protobuf",
    "tiktoken": "tiktoken",
    "gguf": "gguf",
}


def compose(
    vision: str | Path,
    language: str | Path,
    connector: dict[str, Any] | None = None,
    *,
    vision_feature: str | None = None,
    prompt: str = DEFAULT_PROMPT,
    chat: bool = False,
    dtype: torch.dtype = torch.float32,
    vision_revision: str | None = None,
    language_revision: str | None = None,
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Join a vision tower and a language model by a fresh, untrained connector.

    Args:
        vision: A vision tower, or a CLIP or SigLIP model that holds one: a folder or a hub name, such as
            ``openai/clip-vit-base-patch32``. Transformers and CNNs alike.
        language: A causal language model with its tokenizer, such as ``TinyLlama/TinyLlama-1.1B-Chat-v1.0``;
            or a GGUF file, such as ``model.gguf`` or ``owner/name/model.gguf``.
        connector: ``{"type": name, **options}``; a quantum one of 4 qubits by default. Widths are read from
            the two models.
        vision_feature: What the connector reads: ``"cls"``, ``"pooled"``, ``"gridK"``, or several joined by
            ``+``; see `hybrid.model.vision.read_feature`. By default the class token, the pooled output of
            towers without one, and the grid's mean of towers without either; ``model.config.vision_feature``
            says which.
        prompt: What the processor asks by default.
        chat: Whether prompts are put into the language model's chat template.
        dtype: Of the weights; the connector's are float32 where this is less.
        vision_revision: Of the vision tower on the hub: a branch, a tag or a commit.
        language_revision: Of the language model.

    Returns:
        The model and its processor.

    Raises:
        ModelError: If a part cannot be loaded, or lacks what is to be read of it.
        ValueError: If the connector cannot be built, or ``vision_feature`` is none.
    """
    if vision_feature is not None:
        parse_feature(vision_feature)
    sight, speech = _source(vision, vision_revision), _source(language, language_revision)
    tower, missing = _whole(AutoModel, "vision tower", vision, sight | {"dtype": dtype})
    tower = getattr(tower, "vision_model", tower)
    speaker, tokenizer = _speech(language, speech, dtype)
    images = _part(
        "image processor", vision, lambda: AutoImageProcessor.from_pretrained(**sight, backend="pil")
    )
    processor = HybridProcessor(images, tokenizer, prompt=prompt, joined=True, chat=chat)
    feature, width = _look(tower.eval(), processor, vision, vision_feature)
    _fill(tower, [name.removeprefix("vision_model.") for name in missing], feature, vision)
    config = HybridConfig(
        vision_config=tower.config,
        text_config=speaker.config,
        connector=connector,
        image_token_id=processor.image_token_id,
        vision_feature=feature,
        vision_width=width,
        connector_trained=False,
    )
    with torch.device("meta"):  # the frame; weights that are replaced at once are neither made nor drawn
        model = HybridForConditionalGeneration(config)
    model.vision_tower, model.language_model = tower, speaker
    assert config.connector is not None
    model.connector = build_connector(config.connector, config.vision_hidden_size, config.hidden_size)
    model.connector.to(torch.promote_types(dtype, torch.float32))
    model.connector.speak_to(model.get_input_embeddings().weight)  # type: ignore[arg-type]
    model.generation_config = speaker.generation_config
    processor.n_image_tokens = model.n_vision_tokens
    return model, processor


def language_parts(
    language: str | Path, revision: str | None, dtype: torch.dtype = torch.float32
) -> tuple[Any, Any]:
    """A causal language model and its tokenizer, see `compose`."""
    return _speech(language, _source(language, revision), dtype)


def _speech(language: str | Path, source: dict[str, Any], dtype: torch.dtype) -> tuple[Any, Any]:
    speaker, lacking = _whole(AutoModelForCausalLM, "language model", language, source | {"dtype": dtype})
    if lacking:
        raise ModelError(
            str(language), f"lacks weights of its language model ({few(lacking)}); get a whole copy"
        )
    return speaker, _tokenizer(language, source)


def _whole(kind: Any, what: str, name: str | Path, source: dict[str, Any]) -> tuple[Any, list[str]]:
    """A model, and the names of its weights that its files lack and that are random therefore."""
    model, report = _part(what, name, lambda: kind.from_pretrained(**source, output_loading_info=True))
    return model, sorted(report["missing_keys"])


def _tokenizer(name: str | Path, source: dict[str, Any]) -> Any:
    tokenizer = _part("tokenizer", name, lambda: AutoTokenizer.from_pretrained(**source))
    if tokenizer.eos_token is None:
        tokenizer.eos_token = tokenizer.sep_token  # where BERT's texts end
    if tokenizer.eos_token is None:
        raise ModelError(str(name), "its tokenizer has no token for the end of a text; set its eos_token")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    return tokenizer


@torch.inference_mode()
def _look(tower: Any, processor: HybridProcessor, name: str | Path, feature: str | None) -> tuple[str, int]:
    """Let a tower look at a blank picture: what is read of it, and how wide that is."""
    try:
        pixels = processor.pixel_values(Image.new("RGB", (64, 64), "gray")).to(tower.dtype)
        seen, size = tower(pixel_values=pixels), pixels.shape[-2:]
        feature = feature or default_feature(seen, tower.config, size)
        return feature, read_feature(seen, feature, tower.config, size).shape[-1]
    except Exception as error:  # whatever a model that is no vision tower may raise
        raise ModelError(str(name), f"cannot be read as a vision tower ({reason(error)})") from error


def _fill(tower: Any, missing: list[str], feature: str, name: str | Path) -> None:
    """Put zeros in the place of a pooler that a file lacks and nobody reads; it would be random each time."""
    weights = tower.state_dict()
    missing = [key for key in missing if key in weights]
    needed = [key for key in missing if "pool" not in key or "pooled" in feature]
    if needed:
        raise ModelError(
            str(name), f"lacks weights of its vision tower that are read ({few(needed)}); get a whole "
            f"copy, or choose "
            "another vision_feature"
        )  # fmt: skip
    for key in missing:
        weights[key].zero_()


def _source(name: str | Path, revision: str | None) -> dict[str, Any]:
    """What `from_pretrained` needs to fetch a part, and never runs code that comes with it."""
    text, file = str(name), {}
    if text.endswith(".gguf"):
        folder, _, last = text.rpartition("/")
        text, file = folder or ".", {"gguf_file": last}
    common = {"pretrained_model_name_or_path": text, "trust_remote_code": False} | file
    if Path(text).is_dir():
        if file and not Path(name).is_file():
            raise ModelError(str(name), "no such file; check the path")
        return common | {"local_files_only": True}
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise ModelError(str(name), "no such folder; give a folder, or owner/name on the hub")
    if revision is None and not file and cached_folder(text) is None and (kept := downloaded(text)):
        return common | {"pretrained_model_name_or_path": str(kept), "local_files_only": True}
    offline = hub_offline(text, revision, (file["gguf_file"],) if file else ("config.json",))
    return common | {"local_files_only": offline, "revision": revision or "main"}


def _part(kind: str, name: str | Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # what a damaged or hostile folder may raise is not bounded
        said = str(error).lower()
        lacking = [get for module, get in _READERS.items() if get in said and not _installed(module)]
        if lacking == ["tiktoken"] and not _installed("sentencepiece"):
            lacking = ["sentencepiece"]  # which transformers tries first, and far more files are of
        way = f"pip install {' '.join(lacking)}" if lacking else "get a whole copy"
        if not lacking and str(name).endswith(".gguf"):
            way = "give another GGUF file, or a folder in the hub's form"
        raise ModelError(str(name), f"its {kind} cannot be loaded ({reason(error)}); {way}") from error


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False
