"""How to train on one's own captions: a preset's TOML file, and what options change in it."""

import difflib
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from hybrid.loading.base import Base
from hybrid.model.lora import Lora
from hybrid.presets import caption_presets, read_caption_preset

_SHARE = 0.05  # behind a language model, where a step is a few captions


@dataclass(frozen=True)
class CaptionRecipe:
    """Everything that decides the result but data and folder.

    Attributes:
        description: One line on what this is.
        model: A captioner to go on from, see `hybrid.load`; else ``vision`` and ``language`` are joined.
        revision: Of it, on the hub.
        start_from: A small checkpoint, such as ``"photos"``, whose connector and LoRA are trained further as
            they are; ``model`` would put a new LoRA on top of its.
        vision: A vision tower, see `hybrid.compose`.
        vision_revision: Of it, on the hub.
        language: A causal language model.
        language_revision: Of it, on the hub.
        adapter: A published LoRA for the language model, see `hybrid.loading.peft_adapter`; it is merged.
        adapter_revision: Of it, on the hub.
        vision_feature: What is read of the vision tower, see `hybrid.compose`.
        prompt: What stands before every caption; the model's own if left out.
        connector: ``{"type": name, **options}`` of a fresh connector; if left out, a captioner's or an
            adapter's own.
        plain_captions: Whether captions are learnt in lower case, without full stops at their end.
        agreeing_captions: Learn so many captions of a picture, those most like its others; all if 0. See
            `hybrid.training.caption_choice.choose_captions`.
        longest_caption: Leave out captions of more words; none if 0.
        views: How many there are of each training picture, of which a batch has one: the whole, and random
            parts of it; see `hybrid.data.views`.
        words_epochs: Passes over the pictures in which a fresh connector learns to name the captions' words,
            without the language model; see `hybrid.training.words`.
        words_batch_size: Pictures a step of it.
        words_share: As ``share``, for it.
        connector_epochs: Passes over the data of stage 1, the connector alone.
        epochs: Passes of stage 2, connector and LoRA.
        reward_epochs: Passes over the pictures of stage 3: connector and LoRA learn from the score of what
            they say; see `hybrid.training.self_critical`.
        reward_rate: Learning rates of stage 3, as a share of the others.
        batch_size: Captions a process and forward pass; in stage 3, pictures.
        accumulate: Forward passes an optimiser step.
        share: Of its own size, by which a step can change what each part of the connector gives; decides
            their learning rates, see `Connector.learning_rates`. If left out, the next two do.
        quantum_rate: Learning rate of the circuit's weights.
        connector_rate: Of the rest of the connector.
        lora_rate: Of LoRA.
        weight_decay: Of LoRA; the connector has none.
        lora_rank: Of LoRA's factors; 0 for none.
        lora_alpha: LoRA's update is scaled by ``lora_alpha / lora_rank``.
        lora_dropout: In training.
        lora_targets: Names of linear maps of the language model, with commas, or ``"all-linear"``.
        label_smoothing: Of stages 1 and 2: this share of every label is spread over the whole vocabulary, see
            Szegedy et al. (2016), arXiv:1512.00567. Validation losses are without it.
        precision: ``"no"`` for float32, or matrix products in ``"bf16"`` or ``"fp16"``; ``"auto"`` is
            ``"bf16"`` where the device multiplies bfloat16, else ``"no"``; see `hybrid.training.precision`.
        evaluate_every: Optimiser steps between evaluations and checkpoints; by default a quarter of a stage.
        shots: Measurements for each expectation value, in training; exact values by default.
        noise: Noise behind every gate, in training: ``"depolarizing=0.001"``, several with spaces.
        readout: Probability of reading a qubit wrongly, in training.
        patience: Evaluations without a better loss before a stage ends; none ends it early if it is 0.
        seed: Everything random follows from it.
    """

    description: str = ""
    model: str | None = None
    revision: str | None = None
    start_from: str | None = None
    vision: str | None = None
    vision_revision: str | None = None
    language: str | None = None
    language_revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    vision_feature: str | None = None
    prompt: str | None = None
    connector: dict[str, Any] | None = None
    plain_captions: bool = False
    agreeing_captions: int = 0
    longest_caption: int = 0
    views: int = 1
    words_epochs: float = 0.0
    words_batch_size: int = 128
    words_share: float = 0.2
    connector_epochs: float = 1.0
    epochs: float = 3.0
    reward_epochs: float = 0.0
    reward_rate: float = 0.1
    batch_size: int = 32
    accumulate: int = 1
    share: float | None = None
    quantum_rate: float = 2e-3
    connector_rate: float = 1e-3
    lora_rate: float = 2e-4
    weight_decay: float = 0.01
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.1
    lora_targets: str = "all-linear"
    label_smoothing: float = 0.0
    precision: Literal["auto", "no", "bf16", "fp16"] = "no"
    evaluate_every: int | None = None
    shots: int | None = None
    noise: str = ""
    readout: float | None = None
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start_from is not None:
            self._check_start()
        whole = self.model is not None or self.start_from is not None
        if whole and self.adapter is not None:
            raise ValueError("adapter goes with vision and language, not with model")
        if whole == (self.vision is not None or self.language is not None):
            raise ValueError("either model, or vision and language, or start_from must be given")
        if not whole and (self.vision is None or self.language is None):
            raise ValueError("vision and language must be given together")
        for name in ("batch_size", "accumulate", "words_batch_size", "views"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, but was {getattr(self, name)}")
        for name in ("agreeing_captions", "longest_caption"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but was {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be from 0 to below 1, but was {self.label_smoothing}")
        if self.words_epochs < 0:
            raise ValueError(f"words_epochs must not be negative, but was {self.words_epochs}")
        passes = (self.connector_epochs, self.epochs, self.reward_epochs)
        if min(passes) < 0 or sum(passes) == 0:
            raise ValueError("connector_epochs, epochs and reward_epochs must not be negative, nor all 0")
        if self.reward_rate <= 0:
            raise ValueError(f"reward_rate must be positive, but was {self.reward_rate}")

    def _check_start(self) -> None:
        for name in ("model", "connector", "prompt", "adapter", "vision_feature"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} must be left out with start_from, which brings its own")

    @property
    def base(self) -> Base:
        """The models to start from."""
        return Base(**{field.name: getattr(self, field.name) for field in fields(Base)})

    @property
    def lora(self) -> Lora | None:
        """The adapter of stages 2 and 3."""
        if self.lora_rank == 0 or self.epochs + self.reward_epochs == 0:
            return None
        names = tuple(name.strip() for name in self.lora_targets.split(","))
        targets = names[0] if names == ("all-linear",) else names
        return Lora(self.lora_rank, self.lora_alpha, self.lora_dropout, targets)


def load_caption_recipe(name: str | None, **options: Any) -> CaptionRecipe:
    """Read a preset, and change it.

    Args:
        name: One of `caption_presets`, or None to begin with the defaults.
        **options: Fields of the recipe. ``model`` takes the place of the preset's ``vision``, ``language``,
            ``adapter`` and ``connector``, and the other way round; ``language`` that of its ``adapter``. A
            ``connector`` with a smooth start brings a ``share``; the connector's other rates take its place.

    Returns:
        The recipe.

    Raises:
        ValueError: If there is no such preset, or its fields do not go together.
    """
    if name is not None and name not in caption_presets():
        near = difflib.get_close_matches(name, caption_presets(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"preset must be one of {', '.join(caption_presets())}, but was {name!r}{hint}")
    values: dict[str, Any] = {}
    if name is not None:
        values = read_caption_preset(name)
    if "model" in options or "start_from" in options:
        for field in ("model", "start_from", "vision", "language", "adapter", "connector", "prompt"):
            values.pop(field, None)
    elif "vision" in options or "language" in options:
        for field in ("model", "start_from"):
            values.pop(field, None)
        if "language" in options:
            values.pop("adapter", None)
    if "quantum_rate" in options or "connector_rate" in options:
        values.pop("share", None)
    elif (options.get("connector") or {}).get("start") == "smooth":
        values.setdefault("share", _SHARE)
    return replace(CaptionRecipe(**values | options))
