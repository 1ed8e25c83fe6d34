"""Measured bits as values: of Pauli words, of outcomes, by groups that are measured together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qproj.backends.sampler import Array
from qproj.circuits.circuit import Circuit
from qproj.circuits.grouping import groups
from qproj.circuits.measurements import Probs, Projector
from qproj.circuits.observables import PauliWord

Bits = NDArray[np.uint8]


def values(circuit: Circuit, bits: Sequence[Bits]) -> Array:
    """Estimates of a circuit's terms, coefficients left out.

    Args:
        circuit: The circuit.
        bits: For each of `groups(circuit)`, measured in its basis, `(rows, shots, n_qubits)`; that of wire w
            in column w.

    Returns:
        `(rows, n_columns)`, as `Capabilities.measures` has it for `"expectations"`.
    """
    found: dict[int, Array] = {}
    for group, measured in zip(groups(circuit), bits, strict=True):
        for place in group.members:
            found[place] = _estimate(circuit.terms[place], measured)
    return np.hstack([found[place] for place in range(len(circuit.terms))])


def _estimate(term: object, bits: Bits) -> Array:
    """Estimates `(rows, term.width)`."""
    match term:
        case PauliWord(letters, wires):
            if letters == "I":
                return np.ones((len(bits), 1))
            odd = np.bitwise_xor.reduce(bits[..., list(wires)], axis=-1)
            return np.asarray(1 - 2 * odd.mean(axis=1, keepdims=True))
        case Probs(wires):
            shares = [(_indices(bits, wires) == outcome).mean(axis=1) for outcome in range(term.width)]
            return np.stack(shares, axis=1)
        case Projector(wires=wires):
            return np.asarray(np.mean(_indices(bits, wires) == term.outcome, axis=1, keepdims=True))
    raise ValueError(f"observables must be of outcomes where shots are asked for, but held {term}.")


def _indices(bits: Bits, wires: Sequence[int]) -> NDArray[np.int64]:
    """Outcomes `(rows, shots)` of some wires, the first of them the most significant bit."""
    return bits[..., list(wires)].astype(np.int64) @ (1 << np.arange(len(wires))[::-1])
