"""`Execution`: how a circuit is to be run, as one value that travels from the layer to whoever runs it.

A further option is a field here, and what a backend makes of it; nothing in between names the fields.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Integral
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.text import decode, encode
from qproj.noise import NoiseModel


class Extra(Mapping[str, Any]):
    """An immutable mapping of a vendor's options, hashable as long as its values are; lists become tuples."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        options = {} if options is None else options
        if not isinstance(options, Mapping):
            raise TypeError(
                "backend_options must be a mapping of names to values, such as {'max_workers': 2}, but was "
                f"{options!r} ({type(options).__name__})."
            )
        self._options = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
        for name, value in self._options.items():
            if not isinstance(name, str):
                raise TypeError(f"backend_options must have names that are str, but one was {name!r}.")
            try:
                hash(value)
            except TypeError:
                raise TypeError(
                    f"backend_options must have hashable values, such as numbers, str and tuples, but "
                    f"that of {name!r} was {value!r} ({type(value).__name__})."
                ) from None

    def __getitem__(self, name: str) -> Any:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __hash__(self) -> int:
        return hash(frozenset(self._options.items()))

    def __repr__(self) -> str:
        return repr(self._options)


NO_EXTRA = Extra()


@dataclass(frozen=True)
class Execution:
    """How a circuit is to be run, whoever runs it. What a backend cannot do, its `check` refuses.

    Attributes:
        diff_method: `"best"`, or the name of a differentiation method.
        strategy: Of the package's own engine: `"auto"`, or a name that `layer.plan()` knows.
        shots: Measurements per expectation value; `None` for exact values.
        seed: Of the measurements' randomness: equal runs of equal seed give equal bits; `None` for fresh
            ones.
        noise: A `qproj.noise.NoiseModel`; `None` for none.
        extra: Options of one vendor, by name; any mapping, kept as one that is immutable and hashable.

    Raises:
        TypeError: If `extra` is not a mapping from str to hashable values.
    """

    diff_method: str = "best"
    strategy: str = "auto"
    shots: int | None = None
    seed: int | None = None
    noise: Any = None
    extra: Mapping[str, Any] = NO_EXTRA

    def __post_init__(self) -> None:
        if not isinstance(self.extra, Extra):
            object.__setattr__(self, "extra", Extra(self.extra))
        for name in ("shots", "seed"):
            given: Any = getattr(self, name)
            if type(given) is not bool and isinstance(given, Integral):  # NumPy's, too
                object.__setattr__(self, name, int(given))

    # Asked for at every run of a layer, so computed once.
    @cached_property
    def is_plain(self) -> bool:
        """Whether exact values without noise are asked for, and nothing of one vendor's."""
        return self.shots is None and self.seed is None and self.noise is None and not self.extra

    @cached_property
    def text(self) -> str | None:
        """What `dumps` writes, or `None` where an option cannot be written."""
        try:
            return dumps(self)
        except TypeError:
            return None


def with_noise(circuit: Circuit, execution: Execution) -> Circuit:
    """A circuit with the noise that it is to be run with; the same object for equal arguments."""
    noise: NoiseModel | None = execution.noise
    return circuit if noise is None else noise.on(circuit, shots=execution.shots is not None)


def dumps(execution: Execution) -> str:
    """Write an execution as JSON.

    Args:
        execution: The execution.

    Returns:
        One line with what is not as by default.

    Raises:
        TypeError: If `noise` or `extra` hold what cannot be written.
    """
    given = {field.name: getattr(execution, field.name) for field in fields(execution)}
    changed = {name: value for name, value in given.items() if value != getattr(_DEFAULT, name)}
    if "extra" in changed:
        changed["extra"] = dict(changed["extra"])
    return encode(changed)


@functools.lru_cache(maxsize=256)
def loads(text: str) -> Execution:
    """Read what `dumps` has written.

    Args:
        text: The JSON.

    Returns:
        An execution equal to the one written.

    Raises:
        ValueError: If it is not JSON, or not of an execution.
    """
    try:
        return Execution(**decode(text))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"text must be an execution as qproj writes it, but was {text[:80]!r}.") from error


_DEFAULT = Execution()
