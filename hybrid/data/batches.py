"""Data sets that hand over whole batches, which is how arrays are read fastest."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

IGNORED = -100  # label of positions that do not count, as everywhere in transformers


class BatchDataset(torch.utils.data.Dataset[Any]):
    """A data set that is fetched a batch at a time; a subclass says how, and how long it is."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: rows[0] for name, rows in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Fetch a whole batch: torch's loader calls this where it exists."""
        raise NotImplementedError
