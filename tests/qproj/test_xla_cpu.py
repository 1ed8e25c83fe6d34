"""Programs on the CPU: in the thread that calls them, small ones as one kernel, others in parts."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import qproj
from qproj import bridge
from qproj._compat.jax import synchronous_cpu
from qproj.circuits import Circuit, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.execution import programs
from qproj.execution.padding import bucket
from qproj.planning import cost
from qproj.simulation import xla_cpu

pytestmark = pytest.mark.usefixtures("optimised")


def forget():
    """Whatever was chosen, choose anew."""
    for cached in (cost.choose, cost.one_kernel, bridge._program, programs.program):
        cached.cache_clear()


def entry(compiled):
    """What the program itself does, beside calling others."""
    lines = compiled.as_text().rpartition("ENTRY")[2].splitlines()
    kinds = ("fusion(", "call(", "dot(", "while(", "copy(")
    return [kind for line in lines for kind in kinds if f" {kind}" in line]


def test_programs_run_in_the_thread_that_calls_them():
    seen = []

    def note(x):
        seen.append(threading.get_ident())
        return np.asarray(x)

    def program(x):
        return jax.pure_callback(note, jax.ShapeDtypeStruct(x.shape, x.dtype), x @ x)

    x = np.ones((64, 64), np.float32)
    np.testing.assert_allclose(xla_cpu.compiled(program, one_kernel=False)(x), x @ x)
    assert seen == [threading.get_ident()]


def test_jax_itself_is_left_as_it_was():
    before = jax.devices()
    assert synchronous_cpu() not in before
    qproj.QuantumLayer(3, 1)(torch.zeros(2, 3))
    assert jax.devices() == before
    assert jnp.ones(2).devices() == {before[0]}


def test_a_small_program_is_one_kernel():
    assert xla_cpu.has_kernels()
    x = np.ones((8, 8), np.float32)

    def program(x):
        return jnp.sin(x @ x) @ x, x.sum(axis=0)

    for one, kinds in ((True, ["call("]), (False, None)):
        made = xla_cpu.compiled(program, one_kernel=one)
        found = entry(made.lower(x).compile())
        assert found == kinds if one else len(found) > 1
        for value, expected in zip(made(x), program(x), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_what_is_apart_is_not_fused():
    x = np.arange(512 * 32, dtype=np.float32).reshape(16, 32, 32)

    def program(x):
        return xla_cpu.outlined(lambda x: x.swapaxes(0, 1), x).reshape(32, -1) + 1

    outlined = xla_cpu.compiled(program, one_kernel=False)
    assert "call(" in entry(outlined.lower(x).compile())
    assert "call(" not in entry(jax.jit(program).lower(x).compile())
    np.testing.assert_array_equal(outlined(x), x.swapaxes(0, 1).reshape(32, -1) + 1)


MIXED = Circuit(
    gates=[
        *(Gate("RY", (wire,), InputSlot(wire)) for wire in range(3)),
        Gate("Hadamard", (0,)),
        Gate("RX", (1,), WeightSlot(0)),
        Gate("CNOT", (0, 1)),
        Gate("IsingZZ", (1, 2), InputSlot(1, 0.5, times=2)),
        Gate("RX", (2,), WeightSlot(0, -1.0)),
        Gate("Toffoli", (0, 1, 2)),
        Gate("RY", (0,), InputSlot(2)),
    ],
    observables=[Hamiltonian([PauliWord("X", (0,), 0.5), PauliWord("YZ", (1, 2))]), PauliWord("Z", (2,))],
)
CIRCUITS = {
    "mixed": MIXED,
    "no inputs": Circuit(gates=[Gate("RX", (0,), WeightSlot(0)), Gate("CNOT", (0, 1))]),
    "amplitude": Circuit(2, 1, "amplitude", observables="xyz"),
    "deep": Circuit(2, 7, ansatz="basic_entangler"),
}


@pytest.mark.parametrize("name", CIRCUITS)
def test_one_kernel_gives_what_many_give(monkeypatch, name):
    """By two methods in turn."""
    diff_method = ("backprop", "jacobian")[list(CIRCUITS).index(name) % 2]
    circuit, generator = CIRCUITS[name], torch.Generator().manual_seed(0)
    x = torch.randn(5, circuit.n_inputs, dtype=torch.float64, generator=generator)
    results, made = [], []
    for amplitudes in (0, 1 << 30):
        monkeypatch.setattr(cost, "_KERNEL_AMPLITUDES", amplitudes)
        monkeypatch.setattr(cost, "_KERNEL_LAYERS", 100)
        forget()
        layer = qproj.QuantumLayer(circuit=circuit, diff_method=diff_method).double()
        with torch.no_grad():
            layer.weights.copy_(torch.arange(layer.weights.numel()).reshape(layer.weights.shape) * 0.3)
        given = x.clone().requires_grad_()
        y = layer(given)
        y.backward(torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape))
        results.append([y.detach(), given.grad, layer.weights.grad])
        made.append(bridge._program(circuit, bucket(5), 8, "auto", diff_method)[0])
    forget()
    assert made[0] is not made[1]
    for many, one in zip(*results, strict=True):
        torch.testing.assert_close(one, many, rtol=0, atol=1e-12)


def test_small_batches_are_one_kernel_and_large_ones_are_not():
    assert cost.one_kernel(Circuit(4, 3), 32, "backprop")
    assert not cost.one_kernel(Circuit(4, 3), 1024, "backprop")
    assert cost.one_kernel(Circuit(8, 3), 1, "jacobian")
    assert not cost.one_kernel(Circuit(8, 3), 8, "jacobian")
    assert not cost.one_kernel(Circuit(4, 3), 1, "parameter-shift")
    # A loop counts as one layer, layers that differ count each.
    assert cost.one_kernel(Circuit(3, 500), 1, "backprop")
    zigzag = []
    for i in range(20):
        zigzag += [Gate("RX", (0,), WeightSlot(i)), Gate("CNOT", (0, 1))]
        zigzag += [Gate("IsingZZ", (0, 1), WeightSlot(i))] * (i % 2)
    assert not cost.one_kernel(Circuit(gates=zigzag), 1, "backprop")


UNUSED = {
    "an input": lambda x, y: y + 1,
    "both": lambda x, y: jnp.arange(3.0),
    "what comes back as it is": lambda x, y: (y * 2, x),
    "what has no numbers": lambda x, y: x[:, :0].sum() + x,
}


@pytest.mark.parametrize("name", UNUSED)
def test_a_kernel_may_leave_unread_what_it_is_given(name):
    """XLA would abort the process."""
    x, y = np.ones((3, 4), np.float32), np.ones(5, np.float32)
    made = xla_cpu.compiled(lambda x, y, more: UNUSED[name](x, y), one_kernel=True, keep_unused=True)
    for value, expected in zip(
        jax.tree.leaves(made(x, y, np.ones(2, np.float32))), jax.tree.leaves(UNUSED[name](x, y)), strict=True
    ):
        np.testing.assert_array_equal(value, expected)


def test_a_number_that_is_none_stays_where_it_is():
    """To read every array spoils nothing."""
    x = np.array([np.nan, 1.0, 2.0], np.float32)
    np.testing.assert_array_equal(xla_cpu.compiled(lambda x: 2 * x, one_kernel=True)(x), 2 * x)


@pytest.mark.parametrize("name", ["PauliZ", "CNOT"])
def test_circuits_that_depend_on_nothing(name):
    circuit = Circuit(n_qubits=2, gates=[Gate(name, (0, 1)[: 1 + (name == "CNOT")])])
    layer = qproj.QuantumLayer(circuit=circuit)
    y = layer(torch.zeros(3, 0, requires_grad=True))
    torch.testing.assert_close(y.detach(), torch.ones(3, 2))
    y.sum().backward()


def test_adjoint_takes_six_states_at_most_whatever_the_depth():
    """By XLA's own account: what goes in, what comes out, and what is needed in between."""
    needed = {}
    for n_layers in (7, 40):
        circuit = Circuit(16, n_layers, "angle_x", "basic_entangler")
        program = programs.program(circuit, "fused-4", "adjoint")
        x, w = np.zeros((1, 16), np.float32), np.zeros(circuit.weight_shape, np.float32)
        values, residuals = jax.eval_shape(program._method.forward, x, w)
        backward = program._on_cpu.backward((True, True), in_place=True)
        found = backward.lower(residuals, x, w, values).compile().memory_analysis()
        whole = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
        needed[n_layers] = whole - found.alias_size_in_bytes
    assert max(needed.values()) <= 6 * (2 * 4 * 2**16)
    assert needed[40] < 1.1 * needed[7]
