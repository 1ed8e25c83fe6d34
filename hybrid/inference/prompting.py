"""One question to a captioner, asked of any number of pictures."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor


class Question:
    """What every picture is asked, checked once.

    Args:
        model: The captioner.
        processor: Its processor.
        prompt: What to ask; the processor's default if it is None.
        max_new_tokens: Longest answer, in tokens.
        generation: Passed on to ``generate``.

    Raises:
        ValueError: If `max_new_tokens` is below 1, or prompt and answer exceed the model's context.
    """

    def __init__(
        self,
        model: HybridForConditionalGeneration,
        processor: HybridProcessor,
        prompt: str | None,
        max_new_tokens: int,
        generation: dict[str, Any],
    ) -> None:
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, but was {max_new_tokens}")
        self.model, self.processor = model, processor
        self.ids = torch.tensor([processor.prompt_ids(prompt)], device=model.device)
        length, context = self.ids.shape[1], model.config.text_config.max_position_embeddings
        if length + max_new_tokens > context:
            raise ValueError(
                f"prompt and caption must fit the model's {context} tokens, but the prompt takes {length} "
                f"and max_new_tokens is {max_new_tokens}; shorten one"
            )
        self.options = {"max_new_tokens": max_new_tokens, "do_sample": False} | generation

    def look_at(self, picture: Image.Image) -> Tensor:
        """Pixels ``(1, 3, height, width)``, as the vision tower wants them."""
        return self.processor.pixel_values(picture)

    @torch.inference_mode()
    def features(self, seen: list[Tensor]) -> Tensor:
        """Embeddings ``(batch, vision_hidden_size)`` of what was looked at."""
        return self.model.vision_features(torch.cat(seen).to(self.model.device))

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

    def answers(self, seen: Tensor, form: str = "vision_features") -> list[str]:
        """Answers as text, each on one line; see `generate`."""
        said = self.processor.tokenizer.batch_decode(self.generate(seen, form), skip_special_tokens=True)
        return [" ".join(text.split()) for text in said]
