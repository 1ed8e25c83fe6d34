"""What was finished of a step that failed, for whoever takes the same step again."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable
from typing import Any

from qproj.backends.sampler import Array, Bound
from qproj.planning.execution import Execution

_LEFT: weakref.WeakKeyDictionary[Any, dict[Hashable, Array]] = weakref.WeakKeyDictionary()


def fingerprint(bound: Bound, execution: Execution) -> Hashable:
    """What runs have in common that are the same to the last angle, however often they are made."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (bound.angles, bound.amplitudes, bound.seeds):
        digest.update(b"" if array is None else array.tobytes())
    return bound.template.circuit, bound.template.gates, bound.measure, execution, digest.digest()


class Finished:
    """Values of the runs of one step, its forward pass and its backward pass.

    Args:
        sampler: Whose runs they are. What is kept for it lives as long as it does.
    """

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._done: list[tuple[Bound, Array]] = []

    def __len__(self) -> int:
        return len(self._done)

    def run(self, bound: Bound, execution: Execution) -> Any:
        """The sampler's values; those that it found in a step that failed later, once."""
        try:
            kept = _LEFT.get(self._sampler, {})
        except TypeError:  # a sampler that is no key keeps nothing
            return self._sampler.run(bound, execution)
        values = kept.pop(fingerprint(bound, execution), None) if kept else None
        if values is None:
            try:
                values = self._sampler.run(bound, execution)
            except Exception:
                # Hashed only now, since most steps do not fail.
                _LEFT[self._sampler] = kept | {fingerprint(b, execution): v for b, v in self._done}
                raise
        self._done.append((bound, values))
        return values
