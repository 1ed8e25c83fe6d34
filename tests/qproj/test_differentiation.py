"""Gradients: every method and strategy against finite differences, each other, and JAX; what is kept."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj.circuits import Circuit, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.circuits.gates import GATES
from qproj.execution import programs
from qproj.simulation import xla_cpu

from . import reference
from .test_simulation import CIRCUITS, draw_data, label, random_circuit, strategies

METHODS = ("adjoint", "backprop", "jacobian", "parameter-shift")


def methods(circuit, names):
    """Methods by small blocks, so that there are several; if two are named, also the dense matrix."""
    for method in names:
        yield "fused-2", method
    if len(names) > 1 and "dense" in strategies(circuit):
        yield "dense", "adjoint"


def both(circuit, columns, weights, cotangents, strategy, method):
    """Values, and gradients for columns and weights; as one program, which compiles faster than two."""
    made = programs.build(circuit, strategy, method)

    def there_and_back(columns, weights, cotangents):
        values, residuals = made.forward(columns, weights)
        return values, *made.backward(residuals, columns, weights, cotangents)

    with jax.enable_x64(True):
        compiled = xla_cpu.compiled(there_and_back, one_kernel=False)
        return tuple(map(np.asarray, compiled(columns, weights, cotangents)))


def gradients(*arguments):
    return both(*arguments)[1:]


def by_inputs(circuit, inputs, gradient):
    """From gradients for a runner's columns to those for the inputs themselves."""
    if circuit.amplitudes:
        norm = np.linalg.norm(inputs, axis=1, keepdims=True)
        unit = inputs / norm
        return (gradient - (gradient * unit).sum(1, keepdims=True) * unit) / norm
    result = gradient[:, : circuit.n_inputs].copy()
    for column, slot in enumerate(circuit.products, circuit.n_inputs):
        i, j, slope = slot.index, slot.times, slot.scale * gradient[:, column]
        result[:, i] += slope * inputs[:, j]
        result[:, j] += slope * inputs[:, i]
    return result


def check(circuit, seed, names=METHODS, atol=2e-8):
    inputs, columns, weights = draw_data(circuit, 2, seed)
    cotangents = np.random.default_rng(seed).normal(size=(2, circuit.n_outputs))
    expected = reference.values(circuit, inputs, weights)
    expected_x, expected_w = reference.gradients(circuit, inputs, weights, cotangents)
    first = None
    for strategy, method in methods(circuit, names):
        values, grad_x, grad_w = both(circuit, columns, weights, cotangents, strategy, method)
        np.testing.assert_allclose(values, expected, atol=1e-12)
        np.testing.assert_allclose(by_inputs(circuit, inputs, grad_x), expected_x, atol=atol)
        np.testing.assert_allclose(grad_w, expected_w, atol=atol)
        # Far closer to each other than finite differences can tell.
        first = first or (grad_x, grad_w)
        np.testing.assert_allclose(grad_x, first[0], atol=1e-11)
        np.testing.assert_allclose(grad_w, first[1], atol=1e-11)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=label)
def test_values_and_gradients_are_those_of_the_reference(circuit):
    """By the adjoint method and, every other circuit, by one more; the next tests are of all of them."""
    turn, even = divmod(CIRCUITS.index(circuit), 2)
    check(circuit, 1, ("adjoint",) if even else ("adjoint", METHODS[1 + turn % 3]))


def test_all_methods_agree_on_any_gate_list():
    check(random_circuit(3, 4, seed=3), 3)


@given(seed=st.integers(0, 2**16), method=st.sampled_from(METHODS))
@settings(max_examples=2)
def test_random_gate_lists(seed, method):
    check(random_circuit(2, 4, seed), seed, (method,))


@pytest.mark.parametrize(
    ("n_layers", "several"),
    [(2, ("adjoint",)), (9, ("adjoint", "jacobian"))],
    ids=["written out", "compiled loop"],
)
def test_gradients_are_what_jax_would_differentiate(n_layers, several):
    """Three blocks of wires, against JAX's own differentiation of the forward pass."""
    circuit = Circuit(7, n_layers)
    _, columns, weights = draw_data(circuit, 3)
    cotangents = np.random.default_rng(2).normal(size=(3, 7))
    program = programs.program(circuit, "fused-3", "adjoint")
    with jax.enable_x64(True):
        loss = jax.jit(jax.grad(lambda x, w: (program.run(x, w) * cotangents).sum(), argnums=(0, 1)))
        expected = loss(columns, weights)
    for method in several:
        actual = gradients(circuit, columns, weights, cotangents, "fused-3", method)
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_parameter_shift_uses_the_rule_of_the_gate():
    """A controlled rotation has two frequencies: the two-term rule would be wrong by a visible amount."""
    circuit = Circuit(
        gates=[Gate("Hadamard", (0,)), Gate("CRX", (0, 1), InputSlot(0)), Gate("CRY", (1, 0), WeightSlot(0))]
    )
    check(circuit, 3, ("parameter-shift",))


@pytest.mark.parametrize("part", range(4))
def test_gradients_of_every_gate_with_angles(part):
    """Each second angle a weight of its own; parameter-shift rules of all gates are tested on devices."""
    names = [name for name in GATES if GATES[name].n_angles][part::4]
    angles = (WeightSlot(i, 0.7 + 0.1 * i) if i % 2 else InputSlot(i // 2, 1.3) for i in itertools.count())
    gates = [Gate("QubitUnitary", wire, matrix=reference.unitary(1, wire)) for wire in range(4)]
    for i, name in enumerate(names):
        n_wires = GATES[name].n_wires if GATES[name].most_wires is None else 3
        gates.append(reference.example(name, np.roll(range(4), i)[:n_wires], angles))
    words = [PauliWord("XYZ", (2, 0, 1)), Hamiltonian((PauliWord("Z", (3,)), PauliWord("YX", (0, 3), 0.5)))]
    check(Circuit(gates=gates, observables=words), part, ("adjoint",))


def test_a_weight_in_many_places_gets_all_their_gradients():
    slots = [WeightSlot(0, 0.5), WeightSlot(0, -2.0), InputSlot(0), InputSlot(0, 3.0)]
    circuit = Circuit(
        gates=[Gate("RY", (i % 2,), slot) for i, slot in enumerate(slots)] + [Gate("CNOT", (0, 1))]
    )
    check(circuit, seed=4)


def test_single_precision_gradients_are_as_good_as_promised():
    """By the adjoint method in a loop; the layer's tests have the other methods on few qubits."""
    circuit = Circuit(12, 8)
    _, columns, weights = draw_data(circuit, 2)
    cotangents = np.random.default_rng(0).normal(size=(2, 12))
    exact = gradients(circuit, columns, weights, cotangents, "fused-4", "adjoint")
    single = [array.astype(np.float32) for array in (columns, weights, cotangents)]
    found = gradients(circuit, *single, "fused-4", "adjoint")
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("strategy", ["dense", "fused-2"])
def test_what_is_not_needed_is_not_computed(strategy):
    ring = [Gate("CNOT", (wire, (wire + 1) % 6)) for wire in range(6)]
    gates = [Gate("RY", (wire,), InputSlot(wire)) for wire in range(6)]
    for layer in range(3):
        gates += ring + [Gate("RX", (wire,), WeightSlot(6 * layer + wire)) for wire in range(6)]
    circuit = Circuit(gates=gates)
    program = programs.program(circuit, strategy, "adjoint")
    x, w = np.zeros((8, 6), np.float32), np.zeros(circuit.weight_shape, np.float32)
    values, residuals = jax.eval_shape(program._method.forward, x, w)
    flops = {}
    for needs in [(True, True), (True, False), (False, True)]:
        lowered = program._on_cpu.backward(needs).lower(residuals, x, w, values)
        assert [g is not None for g in lowered.out_info] == list(needs)
        flops[needs] = lowered.compile().cost_analysis()["flops"]
    assert flops[True, False] < 0.9 * flops[True, True]
    assert flops[False, True] < 0.95 * flops[True, True]


@pytest.mark.parametrize("strategy", ["dense", "fused-2"])
def test_adjoint_keeps_one_state_whatever_the_depth(strategy):
    for n_layers in (1, 4, 12):
        circuit = Circuit(5, n_layers)
        method = programs.build(circuit, strategy, "adjoint")
        x, w = np.zeros((2, 5), np.float32), np.zeros(circuit.weight_shape, np.float32)
        _, residuals = jax.eval_shape(method.forward, x, w)
        assert [leaf.shape for leaf in jax.tree.leaves(residuals)] == [(2, 32, 2)]
        assert residuals == method.residual_shapes(x)
