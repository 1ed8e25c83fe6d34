"""Captions behind pictures' features, as token ids."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hybrid.data.batches import IGNORED, BatchDataset
from hybrid.data.pairs import DataError, Pair
from hybrid.data.pairs.pair import place_name
from hybrid.model.processing import HybridProcessor


class PairDataset(BatchDataset):
    """Prompt and caption as token ids behind a picture; a picture with several captions comes several times.

    The caption is scored, its end included, so that a model learns to stop; the prompt is not.

    Args:
        pairs: Pictures and captions; a caption's own prompt goes before that of the processor.
        features: ``(n_pictures, vision_hidden_size)``.
        processor: Encodes prompt and captions, apart, as they are at generation.
        context: The language model's longest input, in tokens.

    Raises:
        DataError: Naming the first caption that does not fit, with its length.
    """

    def __init__(
        self, pairs: Sequence[Pair], features: np.ndarray, processor: HybridProcessor, context: int
    ) -> None:
        tokenizer = processor.tokenizer
        self.features = features
        own = processor.prompt_ids()
        prompts = [prompt for pair in pairs for prompt in pair.prompts or [None] * len(pair.captions)]
        self.heads = [own if prompt is None else processor.prompt_ids(prompt) for prompt in prompts]
        self.pad = int(tokenizer.pad_token_id)
        said = [" ".join(caption.split()) for pair in pairs for caption in pair.captions]
        ids = tokenizer(said, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        self.tails = [np.array([*tail, tokenizer.eos_token_id], np.int64) for tail in ids]
        pictures = [i for i, pair in enumerate(pairs) for _ in pair.captions]
        self.pictures = np.array(pictures)
        for head, tail, picture in zip(self.heads, self.tails, pictures, strict=True):
            if len(head) + len(tail) > context:
                pair = pairs[picture]
                raise DataError(
                    f"data, {pair.place}: a caption of {place_name(pair.image)} takes {len(tail)} tokens and "
                    f"the prompt {len(head)}, but the language model's context is {context}; shorten it"
                )

    def __len__(self) -> int:
        return len(self.tails)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Fetch a whole batch, padded on the right to its longest."""
        length = max(len(self.heads[i]) + len(self.tails[i]) for i in indices)
        ids = np.full((len(indices), length), self.pad, np.int64)
        labels = np.full((len(indices), length), IGNORED, np.int64)
        mask = np.zeros((len(indices), length), np.int64)
        for row, i in enumerate(indices):
            start, end = len(self.heads[i]), len(self.heads[i]) + len(self.tails[i])
            ids[row, :start], ids[row, start:end] = self.heads[i], self.tails[i]
            labels[row, start:end] = self.tails[i]
            mask[row, :end] = 1
        arrays = {"input_ids": ids, "labels": labels, "attention_mask": mask}
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return batch | {"vision_features": torch.from_numpy(self.features[self.pictures[list(indices)]])}
