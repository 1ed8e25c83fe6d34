"""From probabilities to what is measured: drawn outcomes, and estimates from them. JAX only.

Whoever has probabilities, of states or of density matrices, has them measured here. They are those of all
basis states, after a group's change of basis. Every row has a generator of its own, so its outcomes depend on
nothing but its probabilities and its seed, whatever the batch it is in.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from qproj.circuits.circuit import Circuit
from qproj.circuits.grouping import Group, groups
from qproj.circuits.measurements import Probs, Projector
from qproj.circuits.observables import PauliWord


def keys_of(seeds: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Keys `(rows, 2)` of generators, for a seed of each row."""
    return np.stack([seeds >> np.uint64(32), seeds & np.uint64(0xFFFFFFFF)], axis=1).astype(np.uint32)


def outcomes(probabilities: Array, keys: Array, shots: int) -> Array:
    """Draw basis states.

    Args:
        probabilities: `(rows, 2**n_qubits)`; their sums may be off by rounding.
        keys: `(rows, 2)` of uint32, a key of each row's generator.
        shots: How many to draw from each row.

    Returns:
        Indices of basis states, int32 `(rows, shots)`. What has probability 0 is never drawn.
    """

    def row(probabilities: Array, key: Array) -> Array:
        # In parallel sums rounding differs from place to place: without the maximum they could fall, and
        # without the zeros grow where nothing was added.
        sums = lax.cummax(jnp.where(probabilities > 0, jnp.cumsum(probabilities), 0))
        points = jax.random.uniform(_generator(key), (shots,), probabilities.dtype) * sums[-1]
        return jnp.searchsorted(sums, points, side="right", method="scan").astype(jnp.int32)

    return jax.vmap(row)(probabilities, keys)


def bits(drawn: Array, n_qubits: int) -> Array:
    """Basis states `(...)` as uint8 `(..., n_qubits)`, wire 0 first."""
    return (drawn[..., None] >> np.arange(n_qubits - 1, -1, -1, dtype=np.int32) & 1).astype(jnp.uint8)


def estimates(circuit: Circuit, probabilities: Sequence[Array], keys: Array, shots: int) -> Array:
    """Measure a circuit's terms, those of a group together.

    Args:
        circuit: The circuit.
        probabilities: For each of `groups(circuit)`, after its change of basis, `(rows, 2**n_qubits)`; of a
            fidelity itself, `(rows, 1)`.
        keys: As for `outcomes`.
        shots: Measurements, as `Group.shots` shares them out.

    Returns:
        A mean for each of `circuit.terms`, coefficients left out, and for `Probs` the frequency of each
        outcome: `(rows, n_columns)`.
    """
    found = []
    for at, (group, each) in enumerate(zip(groups(circuit), probabilities, strict=True)):
        if not group.basis:
            ends = outcomes(
                jnp.concatenate([each, jnp.maximum(1 - each, 0)], axis=1), _of_group(keys, at), shots
            )
            found.append(_share((ends == 0).sum(axis=1, keepdims=True), ends, each.dtype))
            continue
        drawn = outcomes(each, _of_group(keys, at), group.shots(shots))
        words, others = _members(circuit, group)
        odd = lax.population_count(drawn[:, None] & jnp.asarray(words)[:, None]) & 1
        found += [1 - 2 * _share(odd.sum(axis=-1), drawn, each.dtype)] * bool(len(words))
        found += [_frequencies(drawn, term, circuit.n_qubits, each.dtype) for term in others]
    return _in_order(circuit, found)


def _generator(key: Array) -> Array:
    # By name, since an application may have set another kind as JAX's default.
    made: Array = jax.random.wrap_key_data(key, impl="threefry2x32")
    return made


def _of_group(keys: Array, group: int) -> Array:
    """Keys for a group, so that groups are independent of each other."""
    return jax.vmap(lambda key: jax.random.key_data(jax.random.fold_in(_generator(key), group)))(keys)


def _members(circuit: Circuit, group: Group) -> tuple[NDArray[np.int32], list[Probs | Projector]]:
    """The terms of a group: of Pauli words the wires, as bits of a basis state's index; and the others."""
    n, terms = circuit.n_qubits, [circuit.terms[place] for place in group.members]
    pairs = [zip(word.letters, word.wires, strict=True) for word in terms if isinstance(word, PauliWord)]
    masks = [sum(1 << (n - 1 - wire) for letter, wire in pair if letter != "I") for pair in pairs]
    return np.array(masks, np.int32), [term for term in terms if isinstance(term, Probs | Projector)]


def _frequencies(drawn: Array, term: Probs | Projector, n_qubits: int, dtype: jnp.dtype) -> Array:
    """How often each outcome of a term was drawn, `(rows, term.width)`."""
    here = jnp.zeros_like(drawn)
    for wire in term.wires:
        here = 2 * here + (drawn >> (n_qubits - 1 - wire) & 1)
    if isinstance(term, Projector):
        return _share((here == term.outcome).sum(axis=1, keepdims=True), drawn, dtype)
    counts = jnp.zeros((len(drawn), term.width), jnp.int32)
    return _share(counts.at[jnp.arange(len(drawn))[:, None], here].add(1), drawn, dtype)


def _share(counts: Array, drawn: Array, dtype: jnp.dtype) -> Array:
    """Counts as a share of all that was drawn."""
    return counts.astype(dtype) / drawn.shape[1]


def _in_order(circuit: Circuit, found: list[Array]) -> Array:
    """Columns by group, words before others, in the order of the circuit's terms."""
    ends = np.cumsum([term.width for term in circuit.terms])
    begins = [0, *ends[:-1]]
    places = [
        place
        for group in groups(circuit)
        for others in (False, True)
        for place in group.members
        if isinstance(circuit.terms[place], PauliWord) != others
    ]
    columns = np.concatenate([np.arange(begins[place], ends[place]) for place in places])
    values = jnp.concatenate(found, axis=1)
    return values if (np.diff(columns) > 0).all() else values[:, np.argsort(columns)]
