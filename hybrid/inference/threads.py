"""Torch's threads, for a model that is too small for several."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# Parameters. On two cores a model of 2 M was captioned with faster by one thread, one of 10 M by two.
_SMALL = 5_000_000


def is_small(model: nn.Module) -> bool:
    """Whether a model's steps are too short for several threads.

    They would mostly wait for each other.
    """
    return sum(parameter.numel() for parameter in model.parameters()) < _SMALL


@contextmanager
def one_thread(then: int) -> Iterator[None]:
    """Let torch compute in the calling thread alone.

    Args:
        then: Number of threads afterwards. Passed in, since `get_num_threads()` races with other threads.
    """
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(then)
