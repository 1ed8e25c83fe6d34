"""The engine in Qiskit's own clothes: its networks, kernels and classifiers run unchanged, and agree."""

import numpy as np
import pytest
import torch

import qproj

pytest.importorskip("qiskit_machine_learning")

from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient, ParamShiftSamplerGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

from qproj.qiskit import QprojEstimator, QprojEstimatorGradient, QprojSampler, QprojSamplerGradient

RNG = np.random.default_rng(2)
FEATURES, ANSATZ = zz_feature_map(2, reps=1), real_amplitudes(2, reps=1)
WHOLE = FEATURES.compose(ANSATZ)
OBSERVABLES = [SparsePauliOp.from_list([("ZI", 1.0), ("XX", 0.5)]), SparsePauliOp("IY")]
PARAMS = {"input_params": FEATURES.parameters, "weight_params": ANSATZ.parameters}
X = RNG.normal(size=(2, 2))
W = RNG.normal(size=4)


def estimator_qnn(**primitive):
    return EstimatorQNN(
        circuit=WHOLE,
        observables=OBSERVABLES,
        input_gradients=True,
        default_precision=0.0,
        **PARAMS,
        **primitive,
    )


def parity(x):
    return f"{x:b}".count("1") % 2


def sampler_qnn(sampler, gradient, **options):
    return SamplerQNN(
        circuit=WHOLE, sampler=sampler, gradient=gradient, input_gradients=True, **PARAMS, **options
    )


@pytest.fixture(scope="module")
def ours():
    return estimator_qnn(estimator=QprojEstimator(), gradient=QprojEstimatorGradient())


@pytest.fixture(scope="module")
def theirs():
    estimator = StatevectorEstimator()
    return estimator_qnn(estimator=estimator, gradient=ParamShiftEstimatorGradient(estimator))


def test_estimator_qnn(ours, theirs):
    np.testing.assert_allclose(ours.forward(X, W), theirs.forward(X, W), atol=1e-9)
    gradients = theirs.backward(X, W)
    for found, wanted in zip(ours.backward(X, W), gradients, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9)
    ours.input_gradients = False
    found = ours.backward(X, W)
    ours.input_gradients = True
    assert found[0] is None
    np.testing.assert_allclose(found[1], gradients[1], atol=1e-9)


def test_torch_connector_and_the_layer_in_its_place(ours, theirs):
    x = torch.from_numpy(X).float()
    results, connector = [], TorchConnector(theirs, W)
    for module in (TorchConnector(ours, W), connector, qproj.from_qnn(connector)):
        (values := module(x.requires_grad_())).square().sum().backward()
        gradient = next(iter(module.parameters())).grad
        results.append((values.detach(), x.grad.clone(), gradient.flatten()))
        x.grad = None
    for result in results[::2]:
        for found, wanted in zip(result, results[1], strict=True):
            torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)


def test_broadcast_pubs():
    estimator, reference = QprojEstimator(), StatevectorEstimator()
    table = RNG.normal(size=(2, 3, 6))
    pubs = [(WHOLE, [["ZI"], ["IX"]], table[0]), (WHOLE, OBSERVABLES[1], table), (WHOLE, "ZZ", table[0, 0])]
    fixed = QuantumCircuit(1)
    fixed.h(0)
    pubs += [(fixed, ["X", "Z"]), (QuantumCircuit(1), "Z")]
    found = estimator.run(pubs).result()
    for one, other in zip(found, reference.run(pubs, precision=0.0).result(), strict=True):
        assert one.data.evs.shape == other.data.evs.shape
        np.testing.assert_allclose(one.data.evs, other.data.evs, atol=1e-9)


def test_a_circuit_that_was_changed_is_read_again():
    circuit, estimator = QuantumCircuit(1), QprojEstimator()
    circuit.rx(0.3, 0)
    values = [float(estimator.run([(circuit, "Z")]).result()[0].data.evs)]
    circuit.data[0] = (circuit.data[0].operation.__class__(0.9), [0], [])
    values.append(float(estimator.run([(circuit, "Z")]).result()[0].data.evs))
    np.testing.assert_allclose(values, np.cos([0.3, 0.9]), atol=1e-9)


def test_samples_have_their_probabilities_and_registers():
    first, second = ClassicalRegister(2, "first"), ClassicalRegister(1, "second")
    angle = Parameter("a")
    circuit = QuantumCircuit(QuantumRegister(3), first, second)
    circuit.ry(angle, 2)
    circuit.x(0)
    circuit.measure([0, 2], [second[0], first[1]])
    shots, table = 4000, np.array([[0.4], [2.0]])
    data = QprojSampler(seed=1).run([(circuit, table)], shots=shots).result()[0].data
    assert data.second.get_counts() == {"1": 2 * shots}
    for row, value in enumerate(table[:, 0]):
        counts = data.first.get_counts(row)
        assert set(counts) <= {"00", "10"}
        chance = np.sin(value / 2) ** 2
        assert abs(counts["10"] / shots - chance) < 5 * (chance * (1 - chance) / shots) ** 0.5
    again = QprojSampler(seed=1).run([(circuit, table, shots)]).result()[0].data
    assert np.array_equal(again.first.array, data.first.array)


@pytest.mark.parametrize("options", [{}, {"interpret": parity, "output_shape": 2}], ids=["all", "parity"])
def test_sampler_qnn(options):
    ours = sampler_qnn(QprojSampler(seed=0, default_shots=20000), QprojSamplerGradient(), **options)
    state = [Statevector(WHOLE.assign_parameters([*x, *W])).probabilities() for x in X]
    places = [parity(i) if options else i for i in range(4)]
    wanted = np.zeros((2, 2 if options else 4))
    np.add.at(wanted, (slice(None), places), np.array(state))
    assert np.abs(ours.forward(X, W) - wanted).max() < 5 * 0.5 / 20000**0.5
    layer = qproj.from_qnn(ours).double()
    with torch.no_grad():
        layer.weights.copy_(torch.from_numpy(W))
    x = torch.from_numpy(X).requires_grad_()
    np.testing.assert_allclose(layer(x).detach(), wanted, atol=1e-6)
    # Gradients are exact where Qiskit's are of shots.
    shots = 4000
    sampler = StatevectorSampler(default_shots=shots, seed=3)
    theirs = sampler_qnn(sampler, ParamShiftSamplerGradient(sampler), **options)
    for found, other in zip(ours.backward(X, W), theirs.backward(X, W), strict=True):
        # Angles are products of inputs with numbers, and gradients as many times as large.
        assert np.abs(found - other).max() < 20 / shots**0.5
    (jacobian,) = torch.autograd.grad(layer(x)[:, 1].sum(), [x])
    np.testing.assert_allclose(ours.backward(X, W)[0][:, 1], jacobian, atol=1e-6)


def test_what_is_refused():
    with pytest.raises(ValueError, match="circuit must measure something for a sampler"):
        QprojSampler().run([(WHOLE, np.zeros(6))])
    circuit = QuantumCircuit(1)
    circuit.reset(0)
    with pytest.raises(ValueError, match="instruction 0, 'reset'"):
        QprojEstimator().run([(circuit, "Z")])
    with pytest.raises(TypeError, match="qnn must be an EstimatorQNN or a SamplerQNN"):
        qproj.from_qnn(WHOLE)
    with pytest.raises(AttributeError, match="no attribute 'Estimator'"):
        _ = qproj.qiskit.Estimator


def test_the_tutorials_with_two_arguments_changed():
    """Classifiers, a kernel and its support vectors, as Qiskit's tutorials have them."""
    from qiskit_machine_learning.algorithms import QSVC, VQC, NeuralNetworkClassifier
    from qiskit_machine_learning.kernels import FidelityQuantumKernel
    from qiskit_machine_learning.optimizers import COBYLA, SLSQP
    from qiskit_machine_learning.state_fidelities import ComputeUncompute

    x = RNG.uniform(-1, 1, size=(6, 2))
    y = np.where(x.sum(axis=1) > 0, 1, -1)
    network = EstimatorQNN(
        circuit=WHOLE,
        estimator=QprojEstimator(),
        gradient=QprojEstimatorGradient(),
        default_precision=0.0,
        **PARAMS,
    )
    found = []
    for qnn in (
        network,
        EstimatorQNN(circuit=WHOLE, estimator=StatevectorEstimator(), default_precision=0.0, **PARAMS),
    ):
        classifier = NeuralNetworkClassifier(qnn, optimizer=SLSQP(maxiter=2), initial_point=W)
        found.append(classifier.fit(x, y).weights)
    np.testing.assert_allclose(*found, atol=1e-6)
    vqc = VQC(
        feature_map=FEATURES,
        ansatz=ANSATZ,
        optimizer=COBYLA(maxiter=6),
        sampler=QprojSampler(seed=1),
        initial_point=W,
    )
    assert 0 <= vqc.fit(x, (y + 1) // 2).score(x, (y + 1) // 2) <= 1
    shots = 4000
    kernel = FidelityQuantumKernel(
        feature_map=FEATURES, fidelity=ComputeUncompute(sampler=QprojSampler(seed=2, default_shots=shots))
    )
    states = np.array([Statevector(FEATURES.assign_parameters(row)).data for row in x])
    exact = np.abs(states.conj() @ states.T) ** 2
    assert np.abs(kernel.evaluate(x) - exact).max() < 5 * 0.5 / shots**0.5 + 1e-9
    assert QSVC(quantum_kernel=kernel).fit(x, y).score(x, y) > 0.5
