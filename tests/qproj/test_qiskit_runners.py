"""Qiskit's runners, on the one suite that all runners keep, and where they differ from others."""

import numpy as np
import pytest
import torch

from qproj import Circuit, Constant, Gate, InputSlot, PauliWord, Probs, QuantumLayer, WeightSlot
from qproj.backends import families, get_backend
from qproj.noise import Channel, NoiseModel, from_backend
from qproj.testing import conformance, naive

pytest.importorskip("qiskit_aer")
pytest.importorskip("qiskit_ibm_runtime")

from qiskit import transpile
from qiskit.primitives import StatevectorEstimator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2 as AerEstimator
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

CIRCUIT = Circuit(
    gates=[
        Gate("RY", (0,), InputSlot(0)), Gate("CRX", (0, 1), WeightSlot(0)), Gate("RX", (1,), InputSlot(1)),
        Gate("MultiRZ", (0, 2, 1), WeightSlot(1)), Gate("Hadamard", (2,)), Gate("CNOT", (1, 2)),
    ],
    observables=[PauliWord("ZX", (0, 1)), PauliWord("Z", (2,)), Probs((2, 0))],
)  # fmt: skip
X = torch.tensor([[0.3, -0.8], [1.1, 0.4]], dtype=torch.float64)


@pytest.fixture(scope="module")
def noiseless():
    """A device that makes no errors, and whose first two qubits cannot hold a circuit."""
    pairs = [[2, 3], [3, 2], [3, 4], [4, 3], [2, 4], [4, 2]]
    return GenericBackendV2(5, noise_info=False, coupling_map=pairs, seed=1)


def layer(backend, circuit=CIRCUIT, **options):
    return QuantumLayer(
        circuit=circuit, backend=backend, generator=torch.Generator().manual_seed(0), **options
    ).double()


@pytest.mark.filterwarnings("ignore:Qiskit backend .* has no QubitProperties:UserWarning")
@pytest.mark.parametrize("backend", ["qiskit:statevector", "qiskit:aer", "estimator", "device"])
def test_conformance(backend, noiseless):
    objects = {"estimator": StatevectorEstimator(), "device": noiseless}
    assert conformance.failures(objects.get(backend, backend)) == {}


@pytest.mark.parametrize("name", ["qiskit:statevector", "qiskit:aer"])
def test_probabilities_and_samples(name):
    exact = layer("jax")(X)
    with torch.no_grad():
        np.testing.assert_allclose(layer(name)(X), exact.detach(), atol=1e-9)
    shots = 4000
    measured = layer(name, shots=shots, seed=3)
    assert (measured(X) - exact).abs().max() < 5 / shots**0.5
    bits = measured.sample(X, shots=shots)
    assert bits.shape == (2, shots, 3)
    signs = 1 - 2.0 * bits.double()
    assert (signs[..., 2].mean(dim=1) - exact[:, 1]).abs().max() < 5 / shots**0.5


def test_amplitudes_are_prepared():
    circuit = Circuit(3, 1, "amplitude", "basic_entangler")
    x = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert (layer("qiskit:aer", circuit)(x) - layer("jax", circuit)(x)).abs().max() < 1e-9


def test_noise_of_ours_on_aer():
    noise = NoiseModel(
        [Channel("AmplitudeDamping", 0.1), Channel("DepolarizingChannel", 0.05)],
        readout={0: 0.1, 2: [[0.9, 0.1], [0.3, 0.7]]},
    )
    wanted = layer("jax", noise=noise)(X)
    assert (layer("qiskit:aer", noise=noise)(X) - wanted).abs().max() < 1e-7
    measured = layer("qiskit:aer", noise=noise, shots=20000, seed=1)(X)
    assert (measured - wanted).abs().max() < 5 / 20000**0.5
    assert (measured - layer("jax")(X)).abs().max() > 0.1, "bits are not confused at all"


def test_channels_of_a_circuit_are_exact_on_aer():
    circuit = Circuit(gates=[Gate("RY", (0,), InputSlot(0)), Gate("BitFlip", (0,), Constant(0.2))])
    values = layer("qiskit:aer", circuit)(torch.tensor([[0.7]], dtype=torch.float64))
    assert values.item() == pytest.approx(0.6 * np.cos(0.7), abs=1e-7)
    with pytest.raises(ValueError, match="method of backend_options must be 'density_matrix'"):
        layer("qiskit:aer", circuit, backend_options={"method": "statevector"})


def test_noise_of_a_calibration():
    """The engine, with a device's calibration as its noise, is Aer's simulation of the device."""
    device = FakeManilaV2()
    # From a low to a high qubit, the direction of a pair that is taken where both are calibrated.
    gates = [
        Gate("RY", (0,), InputSlot(0)), Gate("RY", (1,), InputSlot(1)), Gate("CNOT", (0, 1)),
        Gate("RX", (1,), WeightSlot(0)),
    ]  # fmt: skip
    circuit = Circuit(gates=gates, observables=[PauliWord("ZX", (0, 1)), PauliWord("Z", (1,))])
    qiskit = circuit.to_qiskit()
    isa = transpile(qiskit.circuit, device, optimization_level=1, initial_layout=[1, 2], seed_transpiler=1)
    observables = [operator.apply_layout(isa.layout) for operator in qiskit.observables]
    on_device = Circuit.from_qiskit(isa, qiskit.input_params, qiskit.weight_params, observables)
    noise = from_backend(device)
    gates_only = layer("jax", on_device, noise=NoiseModel(noise.after_gates))
    # Aer's exact values are those of its own model of the device, without readout errors.
    simulator = AerSimulator.from_backend(device, method="density_matrix")
    w = gates_only.weights.detach()
    angles = torch.cat([X, w.expand(2, -1)], dim=1).numpy()
    order = [[*qiskit.input_params, *qiskit.weight_params].index(p) for p in isa.parameters]
    pub = (isa, [[operator] for operator in observables], angles[:, order])
    wanted = AerEstimator.from_backend(simulator).run([pub], precision=0.0).result()[0].data.evs.T
    found = gates_only(X).detach().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(wanted - naive.values(circuit, X.numpy(), w.numpy())).max() > 0.01
    # Readout errors are seen by measuring, here and there.
    shots = 20000
    measured = layer(AerSimulator.from_backend(device), on_device, shots=shots)(X)
    read = layer("jax", on_device, noise=noise)(X)
    assert (measured - read).abs().max() < 5 / shots**0.5
    assert (read.detach() - torch.from_numpy(found)).abs().max() > 5 / shots**0.5


def test_a_calibration_of_some_qubits_and_other_gates():
    noise = from_backend(FakeManilaV2(), (3, 4))
    assert {wire for rule in noise.after_gates for wire in rule.wires} == {0, 1}
    rotated = noise.on(Circuit(gates=[Gate("RX", (0,), InputSlot(0)), Gate("RZ", (0,), Constant(1.0))]))
    assert [gate.name for gate in rotated.gates] == ["RX", "QubitChannel", "QubitChannel", "RZ"]
    with pytest.raises(ValueError, match=r"qubits must be in 0..4, but were \(5,\)"):
        from_backend(FakeManilaV2(), 5)
    with pytest.raises(TypeError, match="backend must be a BackendV2"):
        from_backend("FakeManila")


class Slow:
    """An estimator some of whose jobs fail, or do not finish in time."""

    def __init__(self):
        self.jobs, self.fails, self.late = 0, (), ()

    def run(self, pubs, *, precision=None):
        self.jobs += 1
        if self.jobs in self.fails:
            raise RuntimeError("the queue is closed")
        return Late(StatevectorEstimator().run(pubs, precision=precision), self.jobs in self.late)


class Late:
    def __init__(self, job, late):
        self.job, self.late = job, late
        self.result, self.job_id = job.result, lambda: "d0e"

    def in_final_state(self):
        return not self.late


@pytest.fixture
def slow(monkeypatch):
    """A sampler of that estimator, with two rows a job."""
    from dataclasses import replace

    sampler = get_backend(StatevectorEstimator(seed=7)).sampler
    slow = Slow()
    monkeypatch.setattr(sampler, "_estimator", slow)
    monkeypatch.setattr(sampler, "capabilities", replace(sampler.capabilities, batches=2))
    return slow, sampler


def test_a_failed_job_keeps_what_was_finished(slow):
    estimator, sampler = slow
    x = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    circuit = CIRCUIT.measuring("z")
    estimator.fails = {2, 5}
    run = layer(sampler, circuit)
    with pytest.raises(RuntimeError, match=r"samples 2 to 3: RuntimeError: the queue is closed What .* kept"):
        run(x)
    values = run(x)
    assert estimator.jobs == 4, "the first job was submitted again"
    with pytest.raises(RuntimeError, match="the queue is closed"):
        values.sum().backward()
    before = estimator.jobs
    (gradient,) = torch.autograd.grad(run(x).sum(), [x])
    assert before == 5
    wanted, _ = naive.gradients(circuit, x.detach().numpy(), run.weights.detach().numpy(), np.ones((5, 3)))
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)


def test_a_late_job_is_waited_for_again(slow):
    estimator, sampler = slow
    estimator.late = {1}
    run = layer(sampler, CIRCUIT.measuring("z"), backend_options={"timeout": 0.01})
    with torch.no_grad():
        with pytest.raises(RuntimeError, match=r"job d0e did not finish within 0.01 s .* wait"):
            run(X)
        next(iter(sampler._waiting.values())).late = False
        values = run(X)
    assert estimator.jobs == 1
    wanted = naive.values(CIRCUIT.measuring("z"), X.numpy(), run.weights.detach().numpy())
    np.testing.assert_allclose(values, wanted, atol=1e-9)


def test_sessions_and_batches(noiseless):
    sampler = get_backend(noiseless).sampler
    from qproj.planning.execution import Execution

    batch = sampler._mode(Execution(extra={"mode": "batch"}))
    assert type(batch).__name__ == "Batch"
    assert sampler._mode(Execution(extra={"mode": "batch"})) is batch
    assert sampler._mode(Execution()) is noiseless
    with pytest.raises(ValueError, match="mode of backend_options must be job, session or batch"):
        sampler._mode(Execution(extra={"mode": "all"}))


def test_a_circuit_is_transpiled_once(noiseless, monkeypatch):
    from qproj.backends import qiskit_samplers

    sampler = get_backend(noiseless).sampler
    assert get_backend(noiseless).sampler is sampler
    runs = layer("qiskit:aer", shots=10, seed=1)
    with torch.no_grad():
        runs(X)
        monkeypatch.setattr(qiskit_samplers, "circuit_of", None)
        runs.to_backend("qiskit:aer", seed=2)(X[:1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("qiskit:ear", "Did you mean 'qiskit:aer'"),
        ("qiskit:FakeSherbroke", "Did you mean 'qiskit:FakeSherbrooke'"),
        ("qiskit:ibm_nowhere", "must be a device of your IBM Quantum account.*save_account"),
    ],
)
def test_unknown_names(name, message, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=message) as caught:
        get_backend(name)
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "qiskit_aer", None)
    from qproj.backends.qiskit import load

    with pytest.raises(ImportError, match=r"'qiskit:aer' needs qiskit_aer.* pip install 'qproj\[qiskit\]'"):
        load("aer")


def test_refusals():
    with pytest.raises(ValueError, match="shots must be None"):
        layer(StatevectorEstimator(), CIRCUIT.measuring("z"), shots=10)
    with pytest.raises(ValueError, match="needs 'states'"):
        layer("qiskit:aer", CIRCUIT.measuring("state"))
    with pytest.raises(TypeError, match="backend must be a str, a Sampler"):
        get_backend(CIRCUIT.to_qiskit().circuit)
    noisy = AerSimulator.from_backend(FakeManilaV2())
    assert not get_backend(noisy).capabilities.exact, "Aer's exact values leave readout errors out"
    assert "qiskit:aer" in families.advertised()
