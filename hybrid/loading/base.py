"""The base models of a captioner: names and pinned revisions."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from hybrid.loading.hub import cached_folder
from hybrid.loading.names import MODELS
from hybrid.presets import caption_presets, read_caption_preset


@dataclass(frozen=True)
class Base:
    """A whole captioner; or a vision tower and a language model, perhaps with a published adapter on it.

    Attributes:
        model: What `hybrid.load` takes.
        revision: Of it, on the hub.
        vision: What `hybrid.compose` takes.
        vision_revision: Of it, on the hub.
        language: What `hybrid.compose` takes.
        language_revision: Of it, on the hub.
        adapter: A folder or a name on the hub, see `hybrid.loading.peft_adapter`. Its LoRA is merged.
        adapter_revision: Of it, on the hub.
        vision_feature: What is read of the vision tower, see `hybrid.compose`.
    """

    model: str | None = None
    revision: str | None = None
    vision: str | None = None
    vision_revision: str | None = None
    language: str | None = None
    language_revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    vision_feature: str | None = None

    @classmethod
    def of_preset(cls, name: str) -> Self:
        """What a preset in ``hybrid/presets/captions`` is built on."""
        table = read_caption_preset(name)
        return cls(**{field.name: table.get(field.name) for field in fields(cls)})

    def pinned(self) -> "Base":
        """The same with absolute folders, and the commits that names on the hub stand for in the cache."""
        if self.model in caption_presets() and self.model not in MODELS:
            return Base.of_preset(self.model).pinned()
        return Base(
            *_pin(self.model, self.revision),
            *_pin(self.vision, self.vision_revision),
            *_pin(self.language, self.language_revision),
            *_pin(self.adapter, self.adapter_revision),
            self.vision_feature,
        )


def _pin(name: str | None, revision: str | None) -> tuple[str | None, str | None]:
    if name is None or name in MODELS:
        return name, None
    if Path(name).exists():
        return str(Path(name).resolve()), None
    cached = cached_folder("/".join(name.split("/")[:2]), revision)  # a GGUF file may follow
    return name, cached.name if cached else revision
