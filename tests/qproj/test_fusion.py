"""The planner: gates into layers, permutations into gathers. Pure Python, nothing is compiled."""

import numpy as np
import pytest

from qproj.circuits import Circuit, Constant, Gate, InputSlot, WeightSlot
from qproj.planning.fusion import blocks, layers
from qproj.planning.permutations import compose, reverse_blocks

from . import reference


def parts(layer):
    return tuple(part is not None for part in (layer.local, layer.diagonal, layer.permutation))


def test_a_layer_of_an_ansatz_is_one_layer():
    made = layers(Circuit(4, 3))
    assert [parts(layer) for layer in made] == [(True, False, True)] * 3
    # The encoding and the first rotations prepare one product state.
    assert made[0].local.angles.constant.shape == (4, 4)
    assert [layer.local.angles.per_sample for layer in made] == [True, False, False]


def test_gates_on_other_wires_do_not_wait():
    """CZ and RY pair by pair: the pairs are side by side, not one after the other."""
    made = layers(Circuit(6, 2, ansatz="simplified_two_design"))
    assert len(made) == 5


def test_inputs_after_the_start_become_diagonals():
    """Two changes of basis that are the same for all samples, and phases in between."""
    made = layers(Circuit(2, 2, "angle_y", "basic_entangler", reupload=True))
    assert [layer.local.angles.per_sample for layer in made if layer.local] == [True, False, False]
    assert [layer.diagonal.angles.per_sample for layer in made if layer.diagonal] == [True]


def test_all_phases_of_an_encoding_are_one_diagonal():
    made = layers(Circuit(5, 1, "iqp"))
    assert len(made) == 2
    assert made[0].diagonal.masks.tolist()[:2] == [0b11000, 0b10100]
    assert len(made[0].diagonal.masks) == 10


def test_amplitudes_need_no_preparation():
    made = layers(Circuit(3, 2, "amplitude"))
    assert not made[0].local.angles.per_sample
    assert len(made) == 2


def test_a_circuit_without_gates_on_some_wires():
    (only,) = layers(Circuit(3, gates=[Gate("RX", (1,), InputSlot(0))]))
    assert only.local.fixed.shape == (1, 3, 2, 2)
    np.testing.assert_array_equal(only.local.fixed[0, 0], np.eye(2))


def test_blocks_cover_all_wires():
    for n in range(1, 25):
        for largest in range(2, 7):
            sizes = blocks(n, largest)
            assert sum(sizes) == n
            assert max(sizes) <= largest
            assert max(sizes) - min(sizes) <= 1


RING = [Gate("CNOT", (wire, (wire + 1) % 5)) for wire in range(5)]


@pytest.mark.parametrize(
    "gates",
    [
        RING,
        [Gate("CNOT", (3, 1)), Gate("SWAP", (0, 4)), Gate("CNOT", (4, 2))],
        [Gate("CNOT", (0, 2)), Gate("Toffoli", (4, 2, 0)), Gate("SWAP", (1, 2))],
    ],
    ids=["ring", "swap", "toffoli"],
)
def test_moves_are_the_permutation_matrix(gates):
    matrix = np.eye(32)
    for gate in gates:
        matrix = reference.matrix(5, gate, None, None).real @ matrix
    permutation, inverse = compose(5, gates), compose(5, gates, inverse=True)
    np.testing.assert_array_equal(np.eye(32)[permutation.source], matrix)
    np.testing.assert_array_equal(permutation.source[inverse.source], np.arange(32))


def test_linear_moves_are_two_short_tables():
    wires = 20
    ring = compose(wires, [Gate("CNOT", (wire, (wire + 3) % wires)) for wire in range(wires)])
    assert len(ring.high) == len(ring.low) == 1024
    assert len(compose(5, [Gate("Toffoli", (0, 1, 2))]).low) == 32


def test_layers_keep_the_order_of_what_does_not_commute():
    gates = [
        Gate("CNOT", (0, 1)),
        Gate("RX", (1,), WeightSlot(0)),
        Gate("IsingZZ", (0, 1), Constant(0.5)),
        Gate("RZ", (0,), WeightSlot(1)),
        Gate("CNOT", (1, 0)),
    ]
    # RZ follows the ZZ rotation on its wire, so it waits for the next layer, and so does the CNOT behind it.
    made = layers(Circuit(gates=gates))
    assert [parts(layer) for layer in made] == [
        (False, False, True),
        (True, True, False),
        (True, False, True),
    ]


@pytest.mark.parametrize("split", [(3,), (1, 2), (2, 2, 1), (3, 2, 3)])
def test_blocks_of_wires_are_reversed(split):
    n_qubits = sum(split)
    state = np.arange(2**n_qubits)
    old = state.reshape([2**k for k in split])
    new = old.transpose(range(len(split))[::-1]).reshape(-1)
    # Where an amplitude goes, and what is found at a place.
    np.testing.assert_array_equal(new[reverse_blocks(state, split)], state)
    np.testing.assert_array_equal(reverse_blocks(state, split[::-1]), new)


@pytest.mark.parametrize("names", [["CNOT"], ["CNOT", "SWAP"], ["Toffoli"], []])
def test_a_gather_starts_and_ends_with_blocks_reversed(names):
    split = (2, 2, 1)
    gates = [
        Gate(name, {"Toffoli": (0, 3, 4)}.get(name, (wire, (wire + 2) % 5)))
        for name in names
        for wire in (0, 1)
    ]
    permutation, inverse = compose(5, gates), compose(5, gates, inverse=True)
    state = np.random.default_rng(0).normal(size=32)
    turned = state[reverse_blocks(np.arange(32), split[::-1])]
    np.testing.assert_array_equal(turned[permutation.from_reversed(split).source], state[permutation.source])
    after = state[permutation.source]
    np.testing.assert_array_equal(after[inverse.to_reversed(split).source], turned)
