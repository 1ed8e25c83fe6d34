"""From a picture and a prompt to what the model reads."""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor
from transformers import AutoProcessor, BatchFeature
from transformers.processing_utils import ProcessorMixin

from hybrid.model.chat import check_message, template
from hybrid.model.configuration import HybridConfig
from hybrid.model.resizing import cut, fixed_size
from hybrid.model.text import Prompt, encode, tails

IMAGE_TOKEN = "<image>"
DEFAULT_PROMPT = "Describe the image: "  # TinyLlama-VLM-LoRA's
# Options of transformers' tokenizers that change what is returned in ways a captioner has no use for.
_REFUSED = (
    "text_pair", "text_target", "text_pair_target", "is_split_into_words", "return_overflowing_tokens",
    "return_offsets_mapping", "return_special_tokens_mask", "return_token_type_ids", "return_length",
    "stride",
    "return_mm_token_type_ids", "videos", "audio", "return_text_replacement_offsets",
)  # fmt: skip


class HybridProcessor(ProcessorMixin):  # type: ignore[misc]
    """An image processor and a tokenizer; vision tokens are placed in front of the prompt.

    Args:
        image_processor: CLIP's, or that of whichever vision tower is used.
        tokenizer: The language model's, with ``<image>`` as a special token.
        n_image_tokens: Placeholders a picture takes: the model's ``n_vision_tokens``.
        prompt: What to ask when no text is given.
        joined: Whether prompt and caption are encoded as one text, so that spaces at a prompt's end do not
            matter; else each by itself, as in models trained before this was so.
        chat: Whether prompts are put into the language model's chat template.
        chat_template: As in transformers.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        n_image_tokens: int = 1,
        prompt: str = DEFAULT_PROMPT,
        joined: bool = False,
        chat: bool = False,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.n_image_tokens = n_image_tokens
        self.prompt = prompt
        self.joined = joined
        self.chat = chat
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template, **kwargs)

    def __call__(
        self,
        images: Any = None,
        text: str | list[str] | None = None,
        return_tensors: str | None = "pt",
        *,
        padding: bool | str = True,
        padding_side: str = "left",
        pad_to_multiple_of: int | None = None,
        truncation: bool | str | None = False,
        max_length: int | None = None,
        add_special_tokens: bool = True,
        split_special_tokens: bool = True,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare a batch.

        Text is taken literally: ``</s>`` in a prompt is five characters, not the end of it. Only ``<image>``
        stands for the picture, which is placed in front where there is none.

        Args:
            images: One picture or a list of them: PIL images, arrays or tensors; in a list of lists, as chat
                templates give them, each holds one.
            text: One prompt for all pictures, or a list with one a picture; the default prompt where it is
                left out.
            return_tensors: As in transformers.
            padding: As in transformers: to the longest, to ``"max_length"``, or not at all.
            padding_side: To generate, it must be the left.
            pad_to_multiple_of: As in transformers.
            truncation: Whether prompts are cut to ``max_length`` tokens, those of the picture included.
            max_length: Of a prompt, with ``truncation`` or with ``padding="max_length"``.
            add_special_tokens: Whether the tokenizer's own, such as that of the beginning, are added.
            split_special_tokens: Whether control tokens in the text are plain text.
            **kwargs: Passed on to the image processor.

        Returns:
            ``pixel_values`` ``(batch, 3, height, width)``; ``input_ids`` and ``attention_mask``
            ``(batch, length)``, padded on the left.

        Raises:
            ValueError: If there are neither images nor text, their numbers differ, a prompt does not have one
                picture, or an option is not allowed.
        """
        if images is None and text is None:
            raise ValueError("images or text must be given")
        nested = [
            kwargs.pop(group, None) or {} for group in ("text_kwargs", "images_kwargs", "common_kwargs")
        ]
        if any(nested):
            plain = {
                "return_tensors": return_tensors,
                "padding": padding,
                "padding_side": padding_side,
                "pad_to_multiple_of": pad_to_multiple_of,
                "truncation": truncation,
                "max_length": max_length,
                "add_special_tokens": add_special_tokens,
                "split_special_tokens": split_special_tokens,
            }
            return self(images, text, **(plain | kwargs | nested[0] | nested[1] | nested[2]))
        if not kwargs.pop("return_attention_mask", True):
            raise ValueError("return_attention_mask must be True: rows are padded; leave it out")
        if refused := [name for name in _REFUSED if kwargs.pop(name, None)]:
            raise ValueError(
                f"{', '.join(refused)} must not be given: a captioner has no use for it; leave it out"
            )
        data: dict[str, Any] = {}
        n = None
        if images is not None:
            if (
                isinstance(images, list | tuple)
                and images
                and all(isinstance(i, list | tuple) for i in images)
            ):
                if any(len(each) != 1 for each in images):
                    raise ValueError(
                        f"each prompt must have one picture, but had {[len(each) for each in images]}; "
                        f"caption them "
                        "one by one"
                    )
                images = [each[0] for each in images]
            data |= self.image_processor(images, return_tensors=return_tensors, **kwargs)
            n = len(data["pixel_values"])
        elif kwargs:
            raise ValueError(f"{', '.join(kwargs)} goes with images, but there were none; leave it out")
        if text is None or isinstance(text, str):
            prompts = [self.prompt if text is None else text] * (1 if n is None else n)
        elif isinstance(text, (list, tuple)) and all(isinstance(prompt, str) for prompt in text):
            prompts = list(text)
        else:
            raise ValueError(f"text must be a prompt or a list of prompts, but was {text!r:.80}")
        if n is not None and len(prompts) != n:
            raise ValueError(
                f"text must be one prompt or one an image, but there are {len(prompts)} for {n} images"
            )
        if max_length is not None and not truncation and padding != "max_length":
            raise ValueError(
                "max_length goes with truncation=True or padding='max_length'; give one, or leave it out"
            )
        asked = [
            self._prompt(prompt, literal=split_special_tokens, special=add_special_tokens)
            for prompt in prompts
        ]
        ids = [self._ids(prompt, with_image=n is not None) for prompt in asked]
        if truncation and truncation != "do_not_truncate":
            ids = [self._truncated(row, max_length) for row in ids]
        if padding in (False, "do_not_pad") and return_tensors and len({len(row) for row in ids}) > 1:
            raise ValueError(
                "padding must be True where prompts differ in length; or give return_tensors=None"
            )
        data |= self.tokenizer.pad(
            {"input_ids": ids},
            padding=padding,
            padding_side=padding_side,
            max_length=max_length if padding == "max_length" else None,
            pad_to_multiple_of=pad_to_multiple_of,
            return_tensors=return_tensors,
        )
        return BatchFeature(data)

    def _truncated(self, ids: list[int], max_length: int | None) -> list[int]:
        longest = self.tokenizer.model_max_length if max_length is None else max_length
        kept = ids[:longest]
        if kept.count(self.image_token_id) < ids.count(self.image_token_id):
            raise ValueError(
                f"max_length must leave room for the picture's {self.n_image_tokens} tokens, but was "
                f"{longest}"
            )
        return kept

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **kwargs: Any) -> Any:
        """See transformers; a language model's own template is given pictures as ``<image>`` in the text.

        Raises:
            ValueError: If there is no template, or a message spells a control token.
        """
        if chat_template is None and self.chat_template is None:
            chat_template = template(self.tokenizer)
        several = bool(conversation) and isinstance(conversation[0], list | tuple)
        for message in [m for each in conversation for m in each] if several else conversation:
            check_message(self.tokenizer, message)
        if kwargs.get("tokenize"):
            options = kwargs.pop("processor_kwargs", None) or {}
            kwargs["processor_kwargs"] = {"split_special_tokens": False} | options
        return super().apply_chat_template(conversation, chat_template, **kwargs)

    def pixel_values(self, picture: Image.Image) -> Tensor:
        """Prepare one picture, whatever its proportions; safe to call from several threads.

        Args:
            picture: RGB.

        Returns:
            ``(1, 3, height, width)``.
        """
        picture, options = cut(self.image_processor, picture), {}
        if size := fixed_size(self.image_processor):
            # The image processor has Pillow resize, too, but copies the whole picture three times for it.
            picture = picture.resize(size, self.image_processor.resample)
            options = {"do_resize": False}
        pixels: Tensor = self.image_processor(picture, return_tensors="pt", **options)["pixel_values"]
        return pixels

    def prompt_ids(self, prompt: str | None = None, *, chat: bool | None = None) -> list[int]:
        """The prompt, with the placeholders of one picture in it.

        Args:
            prompt: Taken literally, as in ``__call__``; the default prompt if left out.
            chat: Whether it is put into the language model's chat template; the processor's own setting if
                left out.

        Returns:
            Token ids.

        Raises:
            ValueError: If it holds more than one ``<image>``, or there is no chat template.
        """
        return self._ids(self._asked(prompt, chat), with_image=True)

    def caption_ids(self, captions: Sequence[str], prompt: str | None = None) -> list[list[int]]:
        """Captions as they stand behind a prompt, each with the token of the end.

        Args:
            captions: Each on one line.
            prompt: The default prompt if left out.

        Returns:
            Token ids; `prompt_ids` and these are the ids of the joined text, wherever the tokenizer is
            able to.
        """
        asked = self._asked(prompt, None)
        if self.joined:
            found = tails(self.tokenizer, asked, captions)
        else:
            found = encode(self.tokenizer, captions, literal=True, special=False)
        return [[*ids, self.tokenizer.eos_token_id] for ids in found]

    def _asked(self, prompt: str | None, chat: bool | None) -> Prompt:
        text = self.prompt if prompt is None else prompt
        if not (self.chat if chat is None else chat):
            return self._prompt(text)
        content = [{"type": "image"}, {"type": "text", "text": text.strip()}]
        asked = [{"role": "user", "content": content}]
        rendered = self.apply_chat_template(asked, add_generation_prompt=True)
        begun = self.tokenizer.bos_token is not None and rendered.startswith(self.tokenizer.bos_token)
        return self._prompt(rendered, literal=False, special=not begun)

    def _prompt(self, prompt: str, *, literal: bool = True, special: bool = True) -> Prompt:
        before, mark, text = prompt.rpartition(IMAGE_TOKEN)
        if IMAGE_TOKEN in before:
            n = prompt.count(IMAGE_TOKEN)
            raise ValueError(
                f"a prompt must hold one {IMAGE_TOKEN}, in the picture's place, or none, but held {n}"
            )
        if self.joined:
            text = text.rstrip(" \t")
        return Prompt(before, text, bool(mark), literal, special)

    def _ids(self, prompt: Prompt, *, with_image: bool) -> list[int]:
        if prompt.placed and not with_image:
            raise ValueError(f"a prompt with {IMAGE_TOKEN} must have a picture, but there were no images")
        place = [self.image_token_id] * self.n_image_tokens * with_image
        front: list[int] = []
        if prompt.before:
            (front,) = encode(self.tokenizer, [prompt.before], literal=prompt.literal, special=prompt.special)
        if self.joined:
            (ids,) = encode(self.tokenizer, [prompt.text], **prompt.options)
        else:
            options = {
                "split_special_tokens": prompt.literal,
                "add_special_tokens": prompt.options["special"],
            }
            ids = self.tokenizer(prompt.text, **options)["input_ids"]
        return [*front, *place, *ids]

    @property
    def model_input_names(self) -> list[str]:
        """Names of what ``__call__`` returns."""
        return ["pixel_values", "input_ids", "attention_mask"]


AutoProcessor.register(HybridConfig, HybridProcessor, exist_ok=True)
