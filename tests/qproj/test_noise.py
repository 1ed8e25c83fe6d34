"""Noise: channels, models, density matrices and trajectories, against PennyLane and a naive simulator."""

import pickle

import jax
import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, QuantumLayer, WeightSlot, bridge
from qproj.backends.shifts import row_seeds
from qproj.circuits.gates import CHANNELS
from qproj.circuits.measurements import Probs, Projector
from qproj.differentiation.density import DensityMatrix
from qproj.noise import Channel, NoiseModel, Readout, Rule, parse
from qproj.planning.branches import draw, operators, probabilities
from qproj.planning.cost import plan
from qproj.planning.execution import Execution, dumps, loads
from qproj.planning.noisy import carries_outputs, check_density, noisy_kernel
from qproj.planning.transfer import density_plan, transfer
from tests.qproj import mixed_reference

STRENGTHS = {
    "DepolarizingChannel": (0.2,),
    "BitFlip": (0.2,),
    "PhaseFlip": (0.2,),
    "AmplitudeDamping": (0.3,),
    "PhaseDamping": (0.3,),
    "GeneralizedAmplitudeDamping": (0.3, 0.8),
    "ThermalRelaxationError": (0.1, 40.0, 60.0, 7.0),
}
UNITAL = ["DepolarizingChannel", "BitFlip", "PhaseFlip", "PhaseDamping"]
TWO = np.sqrt([0.9, 0.1])[:, None, None] * np.array([np.eye(4), np.eye(4)[::-1]])
# Everything at once: strengths that are constants and weights, inputs in the middle, gates on three wires.
EVERYTHING = Circuit(
    3,
    gates=[
        Gate("RY", (0,), InputSlot(0)),
        Gate("RX", (1,), WeightSlot(0)),
        Gate("AmplitudeDamping", (1,), Constant(0.3)),
        Gate("CNOT", (0, 1)),
        Gate("PhaseDamping", (0,), WeightSlot(3)),
        Gate("Toffoli", (1, 0, 2)),
        Gate("MultiRZ", (2, 0, 1), WeightSlot(1)),
        Gate("QubitChannel", (2, 0), matrix=TWO),
        Gate("RX", (2,), InputSlot(1, 0.7, 0)),
        Gate("Hadamard", (0,)),
        Gate("CRY", (0, 2), InputSlot(1)),
        Gate("DepolarizingChannel", (2,), Constant(0.1)),
        Gate("ECR", (1, 2)),
        Gate("RY", (1,), WeightSlot(2)),
    ],
    observables=[
        PauliWord("Z", (0,)),
        PauliWord("XY", (2, 1)),
        Hamiltonian((PauliWord("Z", (2,), 0.5), PauliWord("I"), PauliWord("ZX", (0, 1), 2.0))),
    ],
)
X, W = np.array([[0.4, -0.8], [1.1, 0.3]]), np.array([0.7, -0.4, 1.3, 0.25])


def pennylanes(name):
    return np.array(getattr(qml, name)(*STRENGTHS[name], wires=0).kraus_matrices())


@pytest.mark.parametrize("name", STRENGTHS)
def test_a_channel_is_pennylanes(name):
    (gate,) = Circuit(1, gates=[Channel(name, STRENGTHS[name]).on((0,))]).channels
    found = operators(gate)
    np.testing.assert_allclose(transfer(found), transfer(pennylanes(name)), atol=1e-6)
    np.testing.assert_allclose(sum(k.conj().T @ k for k in found), np.eye(2), atol=1e-12)
    assert probabilities(found).min() > 0


def test_every_channel_is_compared():
    assert {*STRENGTHS, "QubitChannel"} == set(CHANNELS)


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted({*STRENGTHS} - {"ThermalRelaxationError"})), st.floats(0, 1)),
        max_size=4,
    )
)
def test_channels_in_a_row_keep_states_states(drawn):
    """Trace one, positive, composed as maps compose, and the identity kept where all are unital."""
    gates = [Channel(name, (p,) * len(STRENGTHS[name])).on((0,)) for name, p in drawn]
    circuit = Circuit(1, gates=[Gate("RY", (0,), Constant(0.9)), *gates])
    psi = np.array([np.cos(0.45), np.sin(0.45)])
    rho, whole = np.outer(psi, psi), np.eye(4)
    for gate in circuit.channels:
        rho = sum(k @ rho @ k.conj().T for k in operators(gate))
        whole = transfer(operators(gate)) @ whole
    assert np.trace(rho).real == pytest.approx(1)
    assert np.linalg.eigvalsh(rho).min() > -1e-12
    components = whole @ [1, np.sin(0.9), 0, np.cos(0.9)]
    np.testing.assert_allclose(components[3], (rho[0, 0] - rho[1, 1]).real, atol=1e-12)
    if all(name in UNITAL for name, _ in drawn):
        np.testing.assert_allclose(whole[:, 0], [1, 0, 0, 0], atol=1e-12)


def layer_of(circuit, **options):
    layer = QuantumLayer(circuit=circuit, **options).double()
    with torch.no_grad():
        layer.weights.copy_(torch.from_numpy(W))
    return layer


@pytest.fixture(scope="module")
def exact():
    """Values and gradients of `EVERYTHING` by density matrix: for inputs, for weights; and the cotangents."""
    x = torch.tensor(X, requires_grad=True)
    layer, cotangents = layer_of(EVERYTHING), torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    values = layer(x)
    values.backward(cotangents)
    return values.detach(), x.grad, layer.weights.grad, cotangents


def test_a_density_matrix_is_the_naive_one(exact):
    np.testing.assert_allclose(exact[0], mixed_reference.values(EVERYTHING, X, W), atol=1e-10)
    theirs = layer_of(EVERYTHING, backend="default.mixed").requires_grad_(False)
    np.testing.assert_allclose(exact[0], theirs(torch.from_numpy(X)), atol=1e-6)


def test_gradients_are_those_of_the_naive_one(exact):
    """Of angles, of inputs, and of the strength that is a weight."""
    _, by_x, by_w, cotangents = exact

    def loss(x, w):
        return (mixed_reference.values(EVERYTHING, x, w) * cotangents.numpy()).sum()

    step = 1e-6
    for at in range(4):
        shift = step * np.eye(4)[at]
        assert (loss(X, W + shift) - loss(X, W - shift)) / (2 * step) == pytest.approx(
            by_w[at].item(), abs=1e-7
        )
        shift = shift.reshape(2, 2)
        assert (loss(X + shift, W) - loss(X - shift, W)) / (2 * step) == pytest.approx(
            by_x.flatten()[at].item(), abs=1e-7
        )


@pytest.mark.parametrize("keeps_states", [True, False])
def test_outputs_carried_back_are_those_of_states_carried_on(keeps_states):
    """Inputs enter once, and there are fewer outputs than samples; two samples at a time go the other way."""
    gates = [gate for gate in EVERYTHING.gates if not isinstance(gate.angle, InputSlot)]
    encoding = [Gate("RY", (wire,), InputSlot(wire)) for wire in range(2)]
    circuit = Circuit(3, gates=encoding + gates, observables=EVERYTHING.observables)
    x, cotangents = np.random.default_rng(0).normal(size=(2, 6, 3))
    x = x[:, :2].copy()
    assert carries_outputs(circuit, 6)
    assert not carries_outputs(circuit, 2)
    assert "carried back" in str(plan(circuit, 6, 8, "auto", "best"))
    method = DensityMatrix(circuit, keeps_states=keeps_states)

    @jax.jit  # else each operation is compiled
    def both(x, w, cotangents):
        values, kept = method.forward(x, w)
        return values, *method.backward(kept, x, w, cotangents)

    with jax.enable_x64(True):
        values, by_x, by_w = both(x, W, cotangents)
        parts = [tuple(map(np.asarray, both(x[i : i + 2], W, cotangents[i : i + 2])[1:])) for i in (0, 2, 4)]
    np.testing.assert_allclose(values, mixed_reference.values(circuit, x, W), atol=1e-12)
    np.testing.assert_allclose(by_x, np.concatenate([part[0] for part in parts]), atol=1e-12)
    np.testing.assert_allclose(by_w, sum(part[1] for part in parts), atol=1e-12)


@pytest.mark.parametrize(("batch", "one_kernel"), [(2, False), (6, True)])
def test_clifford_gates_and_pauli_channels_move_components(batch, one_kernel):
    """Between blocks and after the last; states carried on, and outputs carried back in a single kernel."""
    noisy = [Channel("DepolarizingChannel", 0.1), Channel("BitFlip", 0.2), Channel("PhaseFlip", 0.3)]
    gates = [Gate("RY", (wire,), InputSlot(wire)) for wire in range(2)]
    for layer in range(2):
        gates += [
            Gate("RXRY"[2 * layer : 2 * layer + 2], (wire,), WeightSlot(3 * layer + wire))
            for wire in range(3)
        ]
        for name, wires in (("CNOT", (0, 1)), ("CY", (1, 2)), ("S", (1,)), ("ISWAP", (2, 0)), ("CZ", (0, 1))):
            gates += [Gate(name, wires), *(noisy[wire].on((wire,)) for wire in wires)]
    outcome = Projector((1, 0), wires=(2, 0), errors=((0.1, 0.3), (0.2, 0.05)))
    circuit = Circuit(3, gates=gates, observables=[*EVERYTHING.observables, outcome])
    # (0.1 (1 + Z2) + 0.7 (1 - Z2)) / 2 times (0.8 (1 + Z0) + 0.05 (1 - Z0)) / 2, of the errors in reading.
    expanded = {("I", (0,)): 0.17, ("Z", (0,)): 0.15, ("Z", (2,)): -0.1275, ("ZZ", (0, 2)): -0.1125}
    words = tuple(PauliWord(letters, wires, factor) for (letters, wires), factor in expanded.items())
    written = circuit.measuring([*EVERYTHING.observables, Hamiltonian(words)])
    made = density_plan(circuit).blocks
    assert made.n_blocks == 4
    assert made.last is not None
    assert noisy_kernel(circuit, batch) == one_kernel
    rng = np.random.default_rng(0)
    x, w, cotangents = rng.normal(size=(batch, 2)), rng.normal(size=6), rng.normal(size=(batch, 4))
    layer, inputs = QuantumLayer(circuit=circuit).double(), torch.tensor(x, requires_grad=True)
    with torch.no_grad():
        layer.weights.copy_(torch.from_numpy(w))
    values = layer(inputs)
    values.backward(torch.from_numpy(cotangents))
    np.testing.assert_allclose(values.detach(), mixed_reference.values(written, x, w), atol=1e-12)

    def shifted(x_shift, w_shift):  # the parameter-shift rule
        ways = [mixed_reference.values(written, x + s * x_shift, w + s * w_shift) for s in (1, -1)]
        return ((ways[0] - ways[1]) / 2 * cotangents).sum(axis=1)

    step = np.pi / 2
    by_x = np.stack([shifted(step * row, np.zeros(6)) for row in np.eye(2)], axis=1)
    by_w = [shifted(np.zeros(2), step * row).sum() for row in np.eye(6)]
    np.testing.assert_allclose(inputs.grad, by_x, atol=1e-12)
    np.testing.assert_allclose(layer.weights.grad, by_w, atol=1e-12)


def test_trajectories_are_density_matrices_on_average(exact):
    """Values and gradients, though branches of damping change a state's norm."""
    gates = [
        g if g.parameter != WeightSlot(3) else Gate(g.name, g.wires, Constant(0.25)) for g in EVERYTHING.gates
    ]
    circuit = Circuit(3, gates=gates, observables=EVERYTHING.observables)
    n, each = 64, 32
    options = {"strategy": "trajectories", "seed": 5, "backend_options": {"trajectories": each}}
    layer = QuantumLayer(circuit=circuit, **options).double()
    # Each row has a weight tensor of its own in effect: rows are independent estimates.
    x = torch.from_numpy(X).repeat_interleave(n, 0).requires_grad_()
    with torch.no_grad():
        layer.weights.copy_(torch.from_numpy(W[:3]))
    values = layer(x)
    values.backward(exact[3].repeat_interleave(n, 0))

    def close(estimates, wanted):
        error = estimates.std(dim=1) / n**0.5
        assert ((estimates.mean(dim=1) - wanted).abs() < 5 * error + 1e-9).all(), (
            estimates.mean(dim=1),
            wanted,
        )

    close(values.detach().reshape(2, n, -1), exact[0])
    close(x.grad.reshape(2, n, -1), exact[1])
    # Of weights there is one sum: its error is at most that of as many independent terms of size 1.
    by_weights = layer.weights.grad / n
    assert ((by_weights - exact[2][:3]).abs() < 5 * 3 / n**0.5 / each**0.5).all()


def test_a_seed_repeats_trajectories_row_by_row():
    options = {"strategy": "trajectories", "backend_options": {"trajectories": 3}}
    noise, x = NoiseModel(Channel("depolarizing", 0.3)), torch.rand(4, 2)
    layer = QuantumLayer(2, 1, noise=noise, seed=1, **options)
    values = layer(x)
    assert values.equal(layer(x))
    torch.testing.assert_close(values[:2], layer(x[:2]))
    assert not values.equal(layer.to_backend("jax", seed=2)(x))
    circuit = noise.on(Circuit(2, 1))
    assert not np.array_equal(draw(circuit, (1, 2), 3), draw(circuit, (3, 4), 3))


def test_trajectories_that_drew_the_same_are_run_once(monkeypatch):
    """As the mean of all; gradients follow, for each counts as often as it was drawn."""
    options = {"strategy": "trajectories", "backend_options": {"trajectories": 16}}
    noise, x = NoiseModel(Channel("depolarizing", 0.05)), torch.rand(2, 2, requires_grad=True)
    layer = QuantumLayer(2, 1, noise=noise, seed=1, **options)
    circuit = noise.on(layer.circuit)
    drawn = torch.from_numpy(draw(circuit, row_seeds(1, 0, 2), 16)).float().flatten(0, 1)
    rows = torch.cat([x.repeat_interleave(16, 0), drawn], dim=1)
    every = bridge.run(circuit, "backprop", "trajectories", rows, layer.weights).reshape(2, 16, -1).mean(1)
    run, sizes = bridge.run, []
    monkeypatch.setattr(bridge, "run", lambda *a: sizes.append(len(a[3])) or run(*a))
    values = layer(x)
    torch.testing.assert_close(values, every)
    assert sizes == [len(torch.unique(rows, dim=0))]
    assert sizes[0] < 32
    both = [torch.autograd.grad(v.sum(), (x, layer.weights)) for v in (values, every)]
    torch.testing.assert_close(*both)


def test_shots_scatter_about_what_noise_leaves():
    """By trajectories: means are those of exact values, and rows are their seeds'."""
    circuit = Circuit(
        gates=[Gate("RY", (0,), InputSlot(0)), Gate("CNOT", (0, 1)), Gate("RX", (1,), Constant(0.4))],
        observables=[PauliWord("Z", (0,)), PauliWord("XX", (0, 1)), PauliWord("ZZ", (0, 1))],
    )
    noise = NoiseModel(Channel("depolarizing", 0.1), readout={0: [[0.9, 0.1], [0.2, 0.8]], 1: 0.05})
    x, n, shots = torch.tensor([[0.8]]), 200, 100
    exact = QuantumLayer(circuit=circuit, noise=noise)(x)[0].detach()
    options = {"strategy": "trajectories", "backend_options": {"trajectories": 64}}
    layer = QuantumLayer(circuit=circuit, noise=noise, shots=shots, seed=3, **options)
    values = layer(x.expand(n, 1)).detach()
    assert ((values.mean(0) - exact).abs() < 5 * values.std(0) / n**0.5).all()
    variance = (1 - exact**2) / shots
    # Trajectories add their own.
    assert ((values.var(0) > 0.5 * variance) & (values.var(0) < 3 * variance)).all()
    assert layer(x.expand(3, 1)).equal(values[:3])


OUTCOMES = [Projector("0", (0,)), Probs((1, 0)), Projector("00")]
TRAJECTORIES = {"strategy": "trajectories", "backend_options": {"trajectories": 1}}


def test_what_is_read_wrongly_shrinks_and_shifts():
    """With P(1|0) = 0.1 and P(0|1) = 0.3, <Z> is read as 0.2 + 0.6 <Z>; on wire 1 as 0.9 <Z>."""
    circuit = Circuit(
        gates=[Gate("RX", (0,), InputSlot(0)), Gate("RX", (1,), InputSlot(0))],
        observables=[PauliWord("Z", (0,)), PauliWord("ZZ", (0, 1)), PauliWord("I")],
    )
    noise = NoiseModel(readout={0: [[0.9, 0.1], [0.3, 0.7]], 1: 0.05})
    for layer in (
        QuantumLayer(circuit=circuit, noise=noise),
        QuantumLayer(circuit=circuit, noise=noise, backend="default.mixed"),
    ):
        z = np.cos(0.8)
        wanted = [[0.2 + 0.6 * z, (0.2 + 0.6 * z) * 0.9 * z, 1.0]]
        np.testing.assert_allclose(layer(torch.tensor([[0.8]])).detach(), wanted, atol=1e-6)
    zero = (1 + z) / 2
    p, q = 0.9 * zero + 0.3 * (1 - zero), 0.95 * zero + 0.05 * (1 - zero)
    wanted = [p, *np.outer([q, 1 - q], [p, 1 - p]).ravel(), p * q]
    for options in ({}, {"strategy": "density-matrix"}, TRAJECTORIES):
        channel = (Gate("BitFlip", (1,), Constant(0.0)),) if options else ()
        read = noise.on(circuit.with_gates((*circuit.gates, *channel), OUTCOMES))
        x = torch.tensor([[0.8]], dtype=torch.float64, requires_grad=True)
        values = QuantumLayer(circuit=read, **options).double()(x)
        np.testing.assert_allclose(values[0].detach(), wanted, atol=1e-10)
        values[0, 2].backward()
        slope = np.sin(0.8) * (0.3 * q - 0.45 * (1 - p))
        np.testing.assert_allclose(x.grad, [[slope]], atol=1e-10)


def test_rules_say_where_channels_act():
    flip, two = Channel("BitFlip", 0.1), Channel("QubitChannel", kraus=TWO)
    noise = NoiseModel(
        [Rule(flip, gates="CNOT", wires=(1,)), Rule(two)], before_measurement=Channel("PhaseFlip", 0.2)
    )
    circuit = Circuit(gates=[Gate("Rot", (0,), [Constant(0.1)] * 3), Gate("CNOT", (0, 1))])
    assert [(g.name, g.wires) for g in noise.on(circuit).gates] == [
        ("RZ", (0,)), ("RY", (0,)), ("RZ", (0,)), ("CNOT", (0, 1)), ("BitFlip", (1,)),
        ("QubitChannel", (0, 1)), ("PhaseFlip", (0,)), ("PhaseFlip", (1,)),
    ]  # fmt: skip
    assert noise.on(circuit) is noise.on(circuit)
    assert NoiseModel().on(circuit) is circuit


def test_a_model_is_text_a_key_and_a_pickle():
    noise = NoiseModel([Rule(Channel("kraus", kraus=TWO), ("CNOT",)), Channel("BitFlip", 0.1)], readout=0.02)
    execution = Execution(noise=noise)
    assert loads(dumps(execution)) == execution
    assert hash(pickle.loads(pickle.dumps(noise))) == hash(noise)
    assert parse("depolarizing=0.01", 0.02) == NoiseModel(
        Channel("DepolarizingChannel", 0.01), readout=Readout(0.02, 0.02)
    )
    assert parse() is None


def test_the_planner_says_how():
    noise = NoiseModel(Channel("depolarizing", 0.01))
    small = QuantumLayer(2, 1, noise=noise).plan()
    assert small.strategy == "density-matrix"
    assert "exact" in str(small)
    large = str(QuantumLayer(9, 1, noise=noise).plan())
    assert "strategy trajectories" in large
    assert "unbiased" in large


FLIP = NoiseModel(Channel("BitFlip", 0.1))
TRAINED = Circuit(gates=[Gate("BitFlip", (0,), WeightSlot(0))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Channel("BitFlip", 1.5), r"p must be a probability, in \[0, 1\], but was 1.5"),
        (lambda: Channel("ThermalRelaxationError", (0.1, 10, 30, 1)), "t2 must be at most"),
        (lambda: Channel("QubitChannel", kraus=[np.eye(2) / 2]), "sum to the identity"),
        (lambda: Channel("nothing", 0.1), "channel must be one of"),
        (lambda: NoiseModel(readout=1.2), "readout must be a probability"),
        (lambda: NoiseModel(readout=[[0.9, 0.2], [0, 1]]), "sum to 1"),
        (lambda: Rule(Channel("BitFlip", 0.1), gates=("Rot",)), "written out"),
        (lambda: parse("depolarizing"), "noise must be a channel and its strength"),
        (lambda: QuantumLayer(2, 1, noise=FLIP, diff_method="adjoint"), "cannot be walked back"),
        (lambda: QuantumLayer(2, 1, noise=FLIP, strategy="fused-2"), "with noise, but was 'fused-2'"),
        (lambda: QuantumLayer(2, 1, strategy="trajectories"), "circuits without noise"),
        (
            lambda: QuantumLayer(2, 1, noise=FLIP, backend="default.qubit"),
            "noise must be None.*'jax', 'default.mixed'",
        ),
        (lambda: QuantumLayer(circuit=FLIP.on(Circuit(2, 1)), backend="default.qubit"), "free of channels"),
        (lambda: QuantumLayer(2, 1, noise=FLIP, backend_options={"trajectories": 9}), "must not hold"),
        (lambda: QuantumLayer(9, 1, noise=FLIP, backend_options={"trajectories": 0}), "at least 1"),
        (lambda: check_density(14, limit=2**30), "at most 13 .* takes 4.0 GiB, and there are 1.0 GiB"),
        (
            lambda: QuantumLayer(circuit=TRAINED, diff_method="parameter-shift"),
            "strength is a weight, which has no shift rule",
        ),
        (
            lambda: layer_of(EVERYTHING, backend="default.mixed")(torch.from_numpy(X)),
            "weights must be angles where gradients come by shifts",
        ),
        (
            lambda: QuantumLayer(circuit=TRAINED, strategy="trajectories"),
            "strength of BitFlip must be constant",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_strength_that_is_no_probability_gives_nan():
    layer = QuantumLayer(circuit=TRAINED)
    with torch.no_grad():
        layer.weights.fill_(1.5)
    assert layer(torch.zeros(1, 0)).isnan().all()
    with pytest.raises(TypeError, match="NoiseModel"):
        QuantumLayer(2, 1, noise="some")
