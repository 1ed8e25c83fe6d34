"""Gates in terms of others: what every runner and every export does with gates that it does not know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from qproj.circuits.gates import Gate, lower, times
from qproj.circuits.parameters import Constant, Parameter


@dataclass(frozen=True)
class Phase:
    """A global phase, `exp(1j * angle)`.

    Attributes:
        angle: In radians.
    """

    angle: Parameter


def rewritten(gates: Sequence[Gate], names: Collection[str], where: str) -> Iterator[Gate | Phase]:
    """Write gates in terms of those of some names, exactly.

    Args:
        gates: In the order in which they act.
        names: Of the gates that may be used.
        where: For the error: `"in OpenQASM"`.

    Yields:
        Gates of these names, and the global phases that make products of them equal to a gate.

    Raises:
        ValueError: If a gate is neither one of them nor a product of them; the message has its place.
    """
    for place, gate in enumerate(gates):
        for part in _parts(gate, names):
            if isinstance(part, Gate) and part.name not in names:
                raise ValueError(
                    f"gates must be of {', '.join(sorted(names))} {where}, or products of them, but gate "
                    f"{place} is {gate} on wires {gate.wires}."
                )
            yield part


def ladder(gate: Gate) -> tuple[Gate, ...]:
    """A rotation about Z on each of its wires, as one about Z on the last between CNOTs."""
    there = [Gate("CNOT", pair) for pair in pairwise(gate.wires)]
    return (*there, Gate("RZ", gate.wires[-1:], gate.parameter), *reversed(there))


def kraus(branches: Any, *strengths: Any) -> npt.NDArray[np.complex128]:
    """Kraus operators `(n, d, d)` of a channel, those of probability 0 left out.

    Args:
        branches: Of the channel's `GateKind`.
        strengths: Its strengths, or the matrices of a `"QubitChannel"`.
    """
    weights, matrices = branches(np, *strengths)
    some = [
        np.sqrt(w) * np.asarray(m, np.complex128) for w, m in zip(weights, matrices, strict=True) if w > 0
    ]
    return np.array(some)


def _parts(gate: Gate, names: Collection[str]) -> Iterator[Gate | Phase]:
    kind = gate.kind
    if gate.name in names:
        yield gate
    elif kind.several or kind.written_out:
        assert kind.decomposition is not None
        for part in kind.decomposition(gate.wires, *gate.parameters):
            yield from _parts(part, names)
    elif isinstance(gate.angle, Constant) and kind.branches is not None and "QubitChannel" in names:
        operators: Any = kraus(kind.branches, gate.angle.value)
        yield Gate("QubitChannel", gate.wires, matrix=operators)
    else:
        yield from lower([gate])
        if kind.phase:
            yield Phase(Constant(kind.phase) if gate.angle is None else times(gate.angle, kind.phase))
