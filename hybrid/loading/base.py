"""What a captioner is built on: models by name, loaded and joined, and pinned to what they were."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch

from hybrid.loading.compose import compose
from hybrid.loading.hub import cached_folder
from hybrid.loading.load import load
from hybrid.loading.names import MODELS
from hybrid.loading.peft_adapter import open_published
from hybrid.model.connectors import build_connector
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
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
    """

    model: str | None = None
    revision: str | None = None
    vision: str | None = None
    vision_revision: str | None = None
    language: str | None = None
    language_revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None

    @classmethod
    def of_preset(cls, name: str) -> Self:
        """What a preset in ``hybrid/presets/captions`` is built on."""
        table = read_caption_preset(name)
        return cls(**{field.name: table.get(field.name) for field in fields(cls)})

    def build(
        self, connector: dict[str, Any] | None, prompt: str | None, dtype: torch.dtype | None = None
    ) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
        """Load the base models and join them.

        Args:
            connector: Of a fresh connector; if this is left out, a captioner's or an adapter's own is kept.
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
                model.config.connector_trained = False
        else:
            assert self.vision is not None
            assert self.language is not None
            published = open_published(self.adapter, self.adapter_revision) if self.adapter else None
            own = published.connector() if published and connector is None else None
            model, processor = compose(
                self.vision,
                self.language,
                own.options if own else connector,
                dtype=dtype or torch.float32,
                vision_revision=self.vision_revision,
                language_revision=self.language_revision,
            )
            if published:
                published.add_lora(model)
            if own:
                own.load_into(model)
        if prompt is not None:
            processor.prompt = prompt
        return model.eval(), processor

    def pinned(self) -> "Base":
        """The same with absolute folders, and the commits that names on the hub stand for in the cache."""
        if self.model in caption_presets() and self.model not in MODELS:
            return Base.of_preset(self.model).pinned()
        return Base(
            *_pin(self.model, self.revision),
            *_pin(self.vision, self.vision_revision),
            *_pin(self.language, self.language_revision),
            *_pin(self.adapter, self.adapter_revision),
        )


def build_preset(
    name: str, dtype: torch.dtype | None = None
) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
    """Load what a preset in ``hybrid/presets/captions`` is built on, with the connector that it says."""
    table = read_caption_preset(name)
    model, processor = Base.of_preset(name).build(table.get("connector"), table.get("prompt"), dtype)
    model.config.name_or_path = name
    return model, processor


def _pin(name: str | None, revision: str | None) -> tuple[str | None, str | None]:
    if name is None or name in MODELS:
        return name, None
    if Path(name).is_dir():
        return str(Path(name).resolve()), None
    cached = cached_folder(name, revision)
    return name, cached.name if cached else revision
