"""Parts of pure states: one rule for arrays of every kind."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from qproj.circuits.parameters import wires_of

# Eigenvalues below these are rounding: of single and of double precision, by bytes of a complex number.
_NOTHING = {8: 1e-7, 16: 1e-15}


def some_wires(n_qubits: int, wires: Iterable[int] | int) -> tuple[int, ...]:
    """Wires of a circuit, in the order given; errors as `wires_of`, and ValueError where one is missing."""
    found = wires_of("wires", wires)
    if not found or max(found) >= n_qubits:
        raise ValueError(f"wires must be one or more of 0..{n_qubits - 1}, but were {found}.")
    return found


def density_matrices(states: Any, wires: tuple[int, ...], namespace: ModuleType) -> Any:
    """Density matrices of some wires, the others traced out.

    Args:
        states: Complex `(..., 2**n_qubits)`.
        wires: The wires, the first of them the most significant bit of a row's index.
        namespace: `torch` or `jax.numpy`.

    Returns:
        Complex `(..., 2**len(wires), 2**len(wires))`.
    """
    *batch, n_states = states.shape
    n_qubits, n_batch = n_states.bit_length() - 1, len(batch)
    split = states.reshape(*batch, *(2,) * n_qubits)
    split = namespace.moveaxis(split, [n_batch + w for w in wires], [n_batch + i for i in range(len(wires))])
    split = split.reshape(*batch, 2 ** len(wires), n_states // 2 ** len(wires))
    return namespace.matmul(split, namespace.conj(namespace.swapaxes(split, -1, -2)))


def entropies(states: Any, wires: tuple[int, ...], namespace: ModuleType) -> Any:
    """Von Neumann entropies of some wires in nats: `-tr(rho log rho)`.

    Args:
        states: Complex `(..., 2**n_qubits)`.
        wires: The wires.
        namespace: `torch` or `jax.numpy`.

    Returns:
        Real `(...)`. What rounding leaves of a pure state counts nothing, in its gradient, too.
    """
    n_qubits = states.shape[-1].bit_length() - 1
    # Both parts of a pure state have the same entropy.
    if 2 * len(wires) > n_qubits:
        wires = tuple(wire for wire in range(n_qubits) if wire not in wires)
    values = namespace.linalg.eigvalsh(density_matrices(states, wires, namespace))
    some = values > _NOTHING[states.dtype.itemsize]
    values = namespace.where(some, values, namespace.ones_like(values))
    return -(values * namespace.log(values)).sum(-1)
