"""States in other bases, wire by wire. JAX only."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.planning.fusion import blocks
from qproj.simulation.statevector import apply_block, exchange, real_matrix

# From the eigenvectors of each letter to those of Z: the gates of `qproj.circuits.grouping.Group.gates`.
_TURNS = {
    "X": np.array([[1, 1], [-1, 1]]) / np.sqrt(2),
    "Y": np.array([[1, -1j], [-1j, 1]]) / np.sqrt(2),
    "Z": np.eye(2),
}
_BLOCK = 4


def in_basis(state: Array, basis: str, *, back: bool = False) -> Array:
    """Change the basis of a state, so that each wire's letter becomes Z.

    Args:
        state: `(2, 2**n_qubits, batch)`.
        basis: A letter for each wire, wire 0 first.
        back: Whether Z becomes each wire's letter instead.

    Returns:
        The state in that basis.
    """
    if set(basis) == {"Z"}:
        return state
    n, first = len(basis), 0
    for wires in blocks(n, _BLOCK):
        letters = basis[first : first + wires]
        if set(letters) != {"Z"}:
            matrix = functools.reduce(np.kron, [_TURNS[letter] for letter in letters])
            real = real_matrix(jnp.asarray(matrix)).astype(state.dtype)
            state = apply_block(state, real.T if back else real)
        state = exchange(state, wires, n - wires)
        first += wires
    return state
