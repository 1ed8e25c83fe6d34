"""Captions behind prompts and pictures' features, as token ids."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hybrid.data.batches import IGNORED, BatchDataset
from hybrid.data.pairs import DataError, Pair
from hybrid.data.pairs.pair import place_name
from hybrid.model.processing import HybridProcessor


class CaptionDataset(BatchDataset):
    """Prompt and caption as token ids, for text alone or behind a picture; fetched a batch at a time.

    The caption is scored, its end included, so that a model learns to stop; the prompt is not.

    Args:
        heads: Ids of what stands before each caption.
        tails: Ids of each caption, its end included.
        pad: Id of the padding.
        features: ``(n_pictures, vision_hidden_size)``, or none.
        pictures: The picture of each caption; by default the one at its place.

    Attributes:
        views: Further features of the pictures, each like ``features``; see `choose_views`.
    """

    def __init__(
        self,
        heads: Sequence[Sequence[int]],
        tails: Sequence[Sequence[int]],
        pad: int,
        features: np.ndarray | None = None,
        pictures: Sequence[int] | None = None,
    ) -> None:
        self.heads, self.pad, self.features = heads, pad, features
        self.views: list[np.ndarray] = []
        self._view = np.zeros(len(tails), np.int64)
        self.tails = [np.array(tail, np.int64) for tail in tails]
        self.pictures = np.arange(len(tails)) if pictures is None else np.asarray(pictures)
        self._order = np.arange(len(tails))

    def repeat(self, times: np.ndarray) -> None:
        """Let each caption come so many times in a pass over the data; once is what they begin with.

        Args:
            times: ``(n,)`` whole numbers.
        """
        self._order = np.repeat(np.arange(len(self.tails)), times)

    def choose_views(self, rng: np.random.Generator) -> None:
        """Draw for each caption which of the `views` of its picture comes with it, or the first features."""
        self._view = rng.integers(1 + len(self.views), size=len(self.tails))

    def __len__(self) -> int:
        return len(self._order)

    def lengths(self) -> np.ndarray:
        """``(len(self),)``: tokens of prompt and caption, each as often as it comes."""
        each = [len(head) + len(tail) for head, tail in zip(self.heads, self.tails, strict=True)]
        return np.array(each, np.int64)[self._order]

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Fetch a whole batch, padded on the right to its longest."""
        rows = self._order[np.asarray(indices)]
        length = max(len(self.heads[i]) + len(self.tails[i]) for i in rows)
        ids = np.full((len(rows), length), self.pad, np.int64)
        labels = np.full((len(rows), length), IGNORED, np.int64)
        mask = np.zeros((len(rows), length), np.int64)
        for row, i in enumerate(rows):
            start, end = len(self.heads[i]), len(self.heads[i]) + len(self.tails[i])
            ids[row, :start], ids[row, start:end] = self.heads[i], self.tails[i]
            labels[row, start:end] = self.tails[i]
            mask[row, :end] = 1
        arrays = {"input_ids": ids, "labels": labels, "attention_mask": mask}
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self.features is not None:
            batch["vision_features"] = torch.from_numpy(self._seen(self.features, rows))
        return batch

    def _seen(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        seen: np.ndarray = features[self.pictures[rows]]
        for place, row in enumerate(rows):
            if number := self._view[row]:
                seen[place] = self.views[number - 1][self.pictures[row]]
        return seen


class PairDataset(CaptionDataset):
    """Captions of pictures that somebody has; a picture with several comes several times.

    Args:
        pairs: Pictures and captions; a caption's own prompt goes before that of the processor.
        features: ``(n_pictures, ...)``, see `HybridForConditionalGeneration.vision_features`.
        processor: Encodes prompt and captions, as they are at generation.
        context: The language model's longest input, in tokens.

    Raises:
        DataError: Naming the first caption that does not fit, with its length.
    """

    features: np.ndarray

    def __init__(
        self, pairs: Sequence[Pair], features: np.ndarray, processor: HybridProcessor, context: int
    ) -> None:
        own = processor.prompt_ids()
        prompts = [prompt for pair in pairs for prompt in pair.prompts or [None] * len(pair.captions)]
        heads = [own if prompt is None else processor.prompt_ids(prompt) for prompt in prompts]
        said = [" ".join(caption.split()) for pair in pairs for caption in pair.captions]
        asked: dict[str | None, list[int]] = {}
        for i, prompt in enumerate(prompts):
            asked.setdefault(prompt, []).append(i)
        found: dict[int, list[int]] = {}
        for prompt, places in asked.items():
            ids = processor.caption_ids([said[i] for i in places], prompt)
            found |= dict(zip(places, ids, strict=True))
        tails = [found[i] for i in range(len(said))]
        pictures = [i for i, pair in enumerate(pairs) for _ in pair.captions]
        for head, tail, picture in zip(heads, tails, pictures, strict=True):
            if len(head) + len(tail) > context:
                pair = pairs[picture]
                raise DataError(
                    f"data, {pair.place}: a caption of {place_name(pair.image)} takes {len(tail)} tokens and "
                    f"the prompt {len(head)}, but the language model's context is {context}; shorten it"
                )
        super().__init__(heads, tails, int(processor.tokenizer.pad_token_id), features, pictures)


def encode_captions(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Make ids of captions, with the token that ends them; what looks like a control token is text."""
    ids = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [[*tail, tokenizer.eos_token_id] for tail in ids]
