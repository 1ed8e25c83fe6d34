"""From a picture and a prompt to what the model reads."""

from typing import Any

from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, BatchFeature
from transformers.processing_utils import ProcessorMixin

from hybrid.model.configuration import HybridConfig

IMAGE_TOKEN = "<image>"
DEFAULT_PROMPT = "Describe the image: "  # TinyLlama-VLM-LoRA's
_LONGEST = 16  # times the short side; a crop of common models needs one and a bit


class HybridProcessor(ProcessorMixin):  # type: ignore[misc]
    """An image processor and a tokenizer; vision tokens are placed in front of the prompt.

    Args:
        image_processor: CLIP's, or that of whichever vision tower is used.
        tokenizer: The language model's, with ``<image>`` as a special token.
        n_image_tokens: Placeholders a picture takes: the connector's ``n_tokens``.
        prompt: What to ask when no text is given.
        chat_template: As in transformers.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        n_image_tokens: int = 1,
        prompt: str = DEFAULT_PROMPT,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.n_image_tokens = n_image_tokens
        self.prompt = prompt
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template, **kwargs)

    def __call__(
        self,
        images: Any = None,
        text: str | list[str] | None = None,
        return_tensors: str = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare a batch.

        Text is taken literally: ``</s>`` in a prompt is five characters, not the end of it. Only an
        ``<image>`` at its very beginning, as pipelines and chat templates write it, stands for the picture.

        Args:
            images: One picture or a list of them: PIL images, arrays or tensors.
            text: One prompt, or one a picture; the default prompt where it is left out.
            return_tensors: As in transformers.
            **kwargs: Passed on to the image processor.

        Returns:
            ``pixel_values`` ``(batch, 3, height, width)``; ``input_ids`` and ``attention_mask``
            ``(batch, length)``, padded on the left.

        Raises:
            ValueError: If there are neither images nor text, or their numbers differ.
        """
        if images is None and text is None:
            raise ValueError("images or text must be given")
        data: dict[str, Any] = {}
        n = None
        if images is not None:
            kwargs = {k: v for k, v in kwargs.items() if k not in ("padding", "truncation", "max_length")}
            data |= self.image_processor(images, return_tensors=return_tensors, **kwargs)
            n = len(data["pixel_values"])
        prompts = (
            [self.prompt if text is None else text] if text is None or isinstance(text, str) else list(text)
        )
        if n is not None and len(prompts) == 1:
            prompts = prompts * n
        if n is not None and len(prompts) != n:
            raise ValueError(
                f"text must be one prompt or one an image, but there are {len(prompts)} for {n} images"
            )
        ids = [self._encode(prompt, with_image=n is not None) for prompt in prompts]
        data |= self.tokenizer.pad(
            {"input_ids": ids}, padding=True, padding_side="left", return_tensors=return_tensors
        )
        return BatchFeature(data)

    def pixel_values(self, picture: Image.Image) -> Tensor:
        """Prepare one picture, whatever its proportions; safe to call from several threads.

        Args:
            picture: RGB.

        Returns:
            ``(1, 3, height, width)``.
        """
        picture, options = self._cut(picture), {}
        if size := self._fixed_size():
            # The image processor has Pillow resize, too, but copies the whole picture three times for it.
            picture = picture.resize(size, self.image_processor.resample)
            options = {"do_resize": False}
        pixels: Tensor = self.image_processor(picture, return_tensors="pt", **options)["pixel_values"]
        return pixels

    def _fixed_size(self) -> tuple[int, int] | None:
        """Width and height that Pillow brings every picture to first of all, if it does."""
        p = self.image_processor
        if getattr(p, "backend", None) != "pil" or not p.do_resize or not isinstance(p.resample, int):
            return None
        size = {name: side for name, side in dict(p.size).items() if side}
        return (size["width"], size["height"]) if size.keys() == {"height", "width"} else None

    def _cut(self, picture: Image.Image) -> Image.Image:
        """Cut ends that will be cropped away in any case.

        Where the short side is brought to a size before the middle is cropped, a strip of 100,000 x 1 pixels
        would become one of millions.
        """
        short, longest = min(picture.size), _LONGEST * min(picture.size)
        if max(picture.size) <= longest or not getattr(self.image_processor, "do_center_crop", False):
            return picture
        width, height = (short if side == short else longest for side in picture.size)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        return picture.crop((left, top, left + width, top + height))

    def prompt_ids(self, prompt: str | None = None) -> list[int]:
        """The placeholders of one picture and the prompt behind them.

        Args:
            prompt: Taken literally, as in ``__call__``; the default prompt if left out.

        Returns:
            Token ids.
        """
        return self._encode(self.prompt if prompt is None else prompt, with_image=True)

    def _encode(self, prompt: str, *, with_image: bool) -> list[int]:
        text = prompt.removeprefix(IMAGE_TOKEN) if with_image else prompt
        ids: list[int] = self.tokenizer(text, split_special_tokens=True)["input_ids"]
        return [self.image_token_id] * self.n_image_tokens + ids if with_image else ids

    @property
    def model_input_names(self) -> list[str]:
        """Names of what ``__call__`` returns."""
        return ["pixel_values", "input_ids", "attention_mask"]


AutoProcessor.register(HybridConfig, HybridProcessor, exist_ok=True)
