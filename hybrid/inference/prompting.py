"""A prompt with its generation options, for any number of pictures."""

from numbers import Integral
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from hybrid.inference.out_of_distribution import Detector
from hybrid.inference.things import Frame
from hybrid.model.errors import OptionError
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor

# What is given to the model here, or decides what it returns.
_OWN = (
    "attention_mask",
    "input_ids",
    "inputs_embeds",
    "pixel_values",
    "return_dict_in_generate",
    "vision_features",
    "vision_tokens",
)


class Look(NamedTuple):
    """A picture, prepared.

    Attributes:
        pixels: ``(1, 3, height, width)``, as the vision tower wants them.
        frame: What a `Detector` judges; `None` where there is none.
    """

    pixels: Tensor
    frame: Frame | None


def at_least_one(name: str, value: Any) -> int:
    """A number of things; OptionError where it is none, or below 1."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise OptionError(name, f"must be an int, but was {value!r}")
    if value < 1:
        raise OptionError(name, f"must be at least 1, but was {value}")
    return int(value)


class Question:
    """A prompt and generation options, checked once.

    Args:
        model: The captioner.
        processor: Its processor.
        prompt: What to ask; the processor's default if it is None.
        max_new_tokens: Longest answer, in tokens.
        generation: Passed on to ``generate``.
        chat: Whether the prompt is put into the language model's chat template; the processor's setting if
            left out.
        detector: Judges what is looked at.

    Attributes:
        n_answers: To a picture: ``num_return_sequences``.

    Raises:
        OptionError: If a number is below 1 or none, prompt and answer exceed the model's context, there is no
            chat template, more answers are asked for than are searched for, or `generation` has what is not
            the caller's to give.
    """

    def __init__(
        self,
        model: HybridForConditionalGeneration,
        processor: HybridProcessor,
        prompt: str | None,
        max_new_tokens: int,
        generation: dict[str, Any],
        *,
        chat: bool | None = None,
        detector: Detector | None = None,
    ) -> None:
        max_new_tokens = at_least_one("max_new_tokens", max_new_tokens)
        if prompt is not None and not isinstance(prompt, str):
            raise OptionError("prompt", f"must be one text for all pictures, but was {prompt!r:.80}")
        if own := sorted(generation.keys() & _OWN):
            raise OptionError(own[0], "must be left out: captions are made from pictures and a prompt alone")
        if generation.get("max_length") is not None:
            raise OptionError("max_length", "must be left out: max_new_tokens says how long a caption may be")
        self.model, self.processor, self.detector = model, processor, detector
        try:
            ids = processor.prompt_ids(prompt, chat=chat)
        except ValueError as error:
            raise OptionError(str(error)) from None
        self.ids = torch.tensor([ids], device=model.device)
        length, context = self.ids.shape[1], model.config.context
        if length + max_new_tokens > context:
            raise OptionError(
                f"prompt and caption must fit the model's {context} tokens, but the prompt takes {length} "
                f"and max_new_tokens is {max_new_tokens}; shorten one"
            )
        self.options = {"max_new_tokens": max_new_tokens, "do_sample": False} | generation
        self.n_answers, beams = (
            at_least_one(name, 1 if self.options.get(name) is None else self.options[name])
            for name in ("num_return_sequences", "num_beams")
        )
        if not self.options["do_sample"] and self.n_answers > beams:
            raise OptionError(
                "num_return_sequences",
                f"must be from 1 to num_beams, {beams}, where nothing is sampled, but was {self.n_answers}",
            )
        ends = self.options.get("eos_token_id", model.generation_config.eos_token_id)
        own = processor.tokenizer.eos_token_id  # what captions ended with in training
        if "eos_token_id" not in self.options and own is not None:
            ends = [ends] if isinstance(ends, int) else list(ends or [])
            self.options["eos_token_id"] = [*ends, *([own] * (own not in ends))]

    def look_at(self, picture: Image.Image) -> Look:
        """Prepare one picture, RGB; safe to call from several threads."""
        frame = None if self.detector is None else Frame.of(picture)
        return Look(self.processor.pixel_values(picture), frame)

    @torch.inference_mode()
    def features(self, seen: list[Look]) -> Tensor:
        """Embeddings ``(batch, ...)`` of what was looked at, as the model's `vision_features` gives them."""
        return self.model.vision_features(torch.cat([look.pixels for look in seen]).to(self.model.device))

    @torch.inference_mode()
    def see(self, seen: list[Look]) -> tuple[Tensor, list[bool]]:
        """`features`, and whether the detector has seen nothing like each picture."""
        frames = [look.frame for look in seen if look.frame is not None]
        strange = [False] * len(seen) if self.detector is None else self.detector.unfamiliar(frames)
        return self.features(seen), strange

    @torch.inference_mode()
    def generate(self, seen: Tensor, form: str = "vision_features", **options: Any) -> Tensor:
        """Answers as token ids ``(batch, length)``.

        Args:
            seen: What `features` gave, or what the connector makes of it.
            form: Which of the two: ``"vision_features"`` or ``"vision_tokens"``.
            **options: Passed on to ``generate``.
        """
        ids = self.ids.expand(len(seen), -1)
        out: Tensor = self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), **{form: seen}, **self.options, **options
        )
        return out[:, ids.shape[1] :]

    def answers(self, seen: Tensor, form: str = "vision_features") -> list[list[str]]:
        """Answers as lines of text: `n_answers` to each picture, the likeliest first; see `generate`."""
        said = self.processor.tokenizer.batch_decode(self.generate(seen, form), skip_special_tokens=True)
        lines = [" ".join(text.split()) for text in said]
        return [lines[i : i + self.n_answers] for i in range(0, len(lines), self.n_answers)]
