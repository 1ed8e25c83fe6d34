"""The device `qproj.statevector` where devices are wrong without a word: right, or refused in words.

The oracle is PennyLane's `default.qubit`, by backpropagation, and closed forms.
"""

import contextlib
from unittest import mock

import jax
import numpy as np
import pennylane as qml
import pytest
import torch
from pennylane import numpy as pnp
from pennylane.exceptions import DeviceError
from scipy.sparse import csr_matrix

from qproj.interop import warmth

NAME = "qproj.statevector"
pytestmark = pytest.mark.filterwarnings("ignore:jax.core:DeprecationWarning")
compiled = mock.patch.object(warmth, "SECONDS", 0.0)


def both(function, wires=3, **options):
    return [qml.QNode(function, qml.device(name, wires=wires), **options) for name in (NAME, "default.qubit")]


def same(function, *arguments, wires=3, **options):
    """Equal results, as arrays."""
    found, expected = (jax.tree.leaves(qnode(*arguments)) for qnode in both(function, wires, **options))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def torch_gradient(qnode, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    result = qnode(x)
    leaves = jax.tree.leaves(result, is_leaf=torch.is_tensor)
    # Every entry, real and imaginary, has a part in it.
    entries = torch.cat([torch.view_as_real(leaf.to(torch.complex128)).reshape(-1) for leaf in leaves])
    (entries * torch.arange(1.0, 1 + len(entries))).sum().backward()
    return x.grad.numpy()


def entangled(x):
    qml.RX(x, 0)
    qml.CRY(0.7, [0, 1])
    qml.RZ(0.4, 1)
    qml.RY(0.3, 0)


# --- Operations that are not unitary.

NOT_UNITARY = {
    "Projector": lambda: qml.Projector([1], wires=1),
    "Hermitian": lambda: qml.Hermitian([[1, 2j], [-2j, 0.5]], wires=0),
    "sum": lambda: qml.apply(qml.X(0) + 0.5 * qml.Z(1)),
    "s_prod": lambda: qml.s_prod(0.5, qml.X(0)),
    "exp": lambda: qml.exp(qml.Z(0) @ qml.X(1), 0.3),
    "QubitUnitary": lambda: qml.QubitUnitary(np.array([[1, 2], [0, 1j]]), wires=1, unitary_check=False),
    "product": lambda: qml.prod(qml.X(1), qml.Projector([0], wires=0)),
    "controlled projector": lambda: qml.ctrl(qml.Projector([1], wires=1), 0),
    "adjoint": lambda: qml.adjoint(qml.QubitUnitary)(np.array([[1, 2], [0, 1]]), wires=1),
    "exp of an imaginary number": lambda: qml.exp(qml.Z(0) @ qml.X(1), 0.3j),
    "a unitary sum": lambda: qml.apply((qml.X(0) + qml.Z(0)) / np.sqrt(2)),
}


@pytest.mark.parametrize("name", NOT_UNITARY)
@pytest.mark.filterwarnings("ignore:Operator .* may not be unitary:UserWarning")
def test_operations_that_are_not_unitary(name):
    def circuit(x):
        entangled(x)
        NOT_UNITARY[name]()
        qml.RX(0.5, 1)
        return qml.expval(qml.Z(0)), qml.expval(qml.Y(1)), qml.probs(wires=1)

    same(circuit, 1.0, wires=2)
    found, expected = both(circuit, 2)
    np.testing.assert_allclose(torch_gradient(found, 1.0), torch_gradient(expected, 1.0), atol=1e-10)


def test_exponentials_of_a_batch():
    """PennyLane fails to say whether these have a decomposition."""

    def circuit(x):
        entangled(0.4)
        qml.exp(qml.X(0) @ qml.Z(1), 1j * x)
        qml.TrotterProduct(qml.dot([0.3, 0.5], [qml.X(0), qml.Z(0) @ qml.Z(1)]), x, n=2, order=2)
        return qml.expval(qml.Z(0))

    same(circuit, np.array([0.7, 0.1]), wires=2)


def test_what_has_no_matrix_is_refused_by_name():
    def circuit():
        qml.AmplitudeDamping(0.3, wires=0)
        return qml.expval(qml.Z(0))

    with pytest.raises(DeviceError, match=r"AmplitudeDamping.* not supported with qproj\.statevector"):
        both(circuit, 1)[0]()


@pytest.mark.parametrize("x", [1.0, np.array([0.4, 1.0])])
def test_postselection(x):
    """Statistics of the renormalised state, with gradients, and batches, which PennyLane itself refuses."""

    def circuit(x):
        qml.RX(x, 0)
        qml.CRY(0.9, [0, 1])
        qml.measure(1, postselect=1)
        qml.RY(x, 0)
        return qml.expval(qml.Z(0))

    found, expected = both(circuit)
    points = np.atleast_1d(x)
    np.testing.assert_allclose(found(x), np.squeeze([expected(p) for p in points]), atol=1e-12)
    each = np.squeeze([torch_gradient(expected, p) for p in points])
    weights = np.squeeze([1, 3][: len(points)])  # of real parts, as torch_gradient counts
    np.testing.assert_allclose(torch_gradient(found, x), each * weights, atol=1e-10)


@pytest.mark.parametrize("mode", ["hw-like", "fill-shots"])
def test_postselected_shots(mode):
    def circuit():
        qml.RX(1.0, 0)
        qml.CNOT([0, 1])
        qml.measure(1, postselect=1)
        return qml.sample(wires=0)

    device = qml.device(NAME, wires=3, seed=1)
    samples = qml.set_shots(qml.QNode(circuit, device, postselect_mode=mode), 1000)()
    assert samples.all()
    assert len(samples) == 1000 if mode == "fill-shots" else 150 < len(samples) < 310  # sin(0.5)**2 of them


def test_shifts_of_what_is_not_linear_are_refused():
    """PennyLane's parameter shift gives 0 for the purity's gradient of -0.28, and so on."""

    def purity(x):
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        return qml.purity(0)

    def selected(x):
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        qml.measure(1, postselect=1)
        return qml.expval(qml.X(0))

    for function, method, word in (
        (purity, "parameter-shift", "purity"),
        (selected, "parameter-shift", "a postselected circuit"),
    ):
        qnode = qml.QNode(function, qml.device(NAME, wires=4), diff_method=method)
        assert np.isfinite(qnode(0.3))
        with pytest.raises(DeviceError, match=f"Gradients of {word}.* cannot be computed from other"):
            qml.grad(qnode)(pnp.array(0.3))
    by_differences = qml.QNode(purity, qml.device(NAME, wires=2), diff_method="finite-diff")
    np.testing.assert_allclose(qml.grad(by_differences)(pnp.array(0.3)), -np.sin(0.6) / 2, atol=1e-6)


def test_batches_of_two_wire_unitaries():
    matrices = np.stack([qml.matrix(qml.IsingXY(a, [0, 1])) for a in (0.3, 0.5, -1.0)])

    def circuit():
        entangled(0.8)
        qml.QubitUnitary(matrices, wires=[0, 1])
        return qml.expval(qml.Z(0)), qml.probs(wires=1)

    same(circuit, wires=2)


@pytest.mark.parametrize("convert", [float, torch.tensor, pnp.array])
def test_large_angles_on_a_device_of_single_precision(convert):
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    with compiled:
        found = qml.QNode(circuit, qml.device(NAME, wires=1, c_dtype=np.complex64))(
            convert(np.float64(1e8 + 0.3))
        )
    np.testing.assert_allclose(found, np.cos(1e8 + 0.3), atol=1e-6)


# --- Prepared states.

AMPLITUDES = (0.3, 0.5, 0.7)
EXPECTED = (0.83652, 1.39420, -1.35437)  # by differences


def padded(x):
    qml.AmplitudeEmbedding(x, wires=[0, 1], pad_with=0.0, normalize=True)
    qml.BasicEntanglerLayers([[0.2, 0.4]], wires=[0, 1])
    return qml.expval(qml.Z(0))


# Autograd gives a real argument a complex gradient where PennyLane makes complex amplitudes of it, and then
# drops the imaginary part, as is right.
@pytest.mark.filterwarnings("ignore:Casting complex values to real:numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("engine", [False, True])
def test_gradients_of_amplitudes_that_are_zero(engine):
    with compiled if engine else mock.patch.object(warmth, "SECONDS", 1e9):
        found, _ = both(padded, 2)
        x = torch.tensor([AMPLITUDES, (0.0, 0.0, 1.0)], dtype=torch.float64, requires_grad=True)
        found(x).sum().backward()
        np.testing.assert_allclose(x.grad[0], EXPECTED, atol=1e-5)
        assert x.grad.isfinite().all()
        np.testing.assert_allclose(qml.grad(found)(pnp.array(AMPLITUDES)), EXPECTED, atol=1e-5)
    if engine:
        with jax.enable_x64(True):
            gradient = jax.jit(jax.grad(found))(jax.numpy.array(AMPLITUDES))
        np.testing.assert_allclose(gradient, EXPECTED, atol=1e-5)


def test_gradients_of_complex_amplitudes():
    start = torch.tensor([0.3, 0.5j, 0.0, 0.7 - 0.2j], dtype=torch.complex128)
    start /= start.norm()

    def circuit(amplitudes):
        qml.StatePrep(amplitudes, wires=[0, 1], validate_norm=False)
        qml.CRX(0.4, wires=[0, 1])
        return qml.expval(qml.Y(1))

    gradients = []
    for qnode in both(circuit, 2):
        point = start.clone().requires_grad_()
        with compiled:
            (gradient,) = torch.autograd.grad(qnode(point), point)
        gradients.append(gradient)
    torch.testing.assert_close(*gradients, atol=1e-10, rtol=0)


def test_a_linear_layer_before_amplitudes():
    """The commonest hybrid model; its batches of amplitudes have gradients."""
    torch.manual_seed(0)

    def circuit(inputs, weights):
        qml.AmplitudeEmbedding(inputs, wires=range(2), normalize=True)
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.Z(i)) for i in range(2)]

    models, x = [], torch.rand(5, 3)
    first = torch.nn.Linear(3, 4)
    for qnode in both(circuit, 2):
        layer = qml.qnn.TorchLayer(qnode, {"weights": (1, 2)}, init_method=torch.nn.init.ones_)
        models.append(torch.nn.Sequential(first, layer))
    gradients = [torch.autograd.grad(model(x).pow(2).sum(), list(model.parameters())) for model in models]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_gradients_of_amplitudes_on_wires_that_are_prepared_later():
    """The product of two prepared states, the second behind other gates: by differences of default.qubit."""

    def circuit(x):
        qml.AmplitudeEmbedding(x[..., :2], wires=[2], normalize=True)
        qml.RY(x[..., 0], wires=1)
        qml.AmplitudeEmbedding(x, wires=[3, 0], pad_with=0.0, normalize=True)
        qml.CRX(0.4, wires=[0, 1])
        qml.CNOT([1, 2])
        return qml.expval(qml.Z(1) @ qml.X(0)), qml.expval(qml.Z(2)), qml.expval(qml.Y(3) @ qml.Y(0))

    found, expected = both(circuit, 4)
    x = np.array([0.3, 0.5, 0.7])
    steps = 1e-6 * np.eye(3)
    slopes = [(np.array(expected(x + step)) - np.array(expected(x - step))) / 2e-6 for step in steps]
    for setting in (contextlib.nullcontext(), compiled):
        with setting:
            jacobian = torch.autograd.functional.jacobian(found, torch.tensor(x))
            np.testing.assert_allclose(torch.stack(jacobian), np.transpose(slopes), atol=1e-8)
            batch = torch.tensor(np.array([x, 2 * x, 1 - x]))
            torch.testing.assert_close(found(batch), expected(batch))


def test_gradients_of_a_state_prepared_on_changed_wires_are_refused_where_there_is_none():
    def circuit(x):
        qml.Hadamard(0)
        qml.StatePrep(x, wires=[0], normalize=True)
        return qml.expval(qml.Z(0))

    found, expected = both(circuit, 1)
    for x in (torch.tensor([0.0, 1.0]), torch.tensor([0.6, 0.8], requires_grad=True)):
        torch.testing.assert_close(found(x), expected(x))
    with pytest.raises(DeviceError, match=r"Gradients of StatePrep on wires \[0\] .* amplitude is zero"):
        found(torch.tensor([0.0, 1.0], requires_grad=True))


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")  # PennyLane asks JAX for it
def test_gradients_of_a_state_prepared_on_changed_wires_are_refused_where_jax_traces_it():
    """Values and other gradients are there; that by the amplitudes was NaN where one is zero."""

    def circuit(state, angle):
        qml.RX(angle, wires=0)
        qml.StatePrep(state, wires=[0])
        return qml.expval(qml.Z(0))

    found, expected = both(circuit, 1)
    given = jax.numpy.array([0.0, 1.0]), jax.numpy.array(0.3)
    for by_angle in (jax.jit, lambda qnode: jax.jit(jax.grad(qnode, 1))):
        np.testing.assert_allclose(by_angle(found)(*given), by_angle(expected)(*given), atol=1e-6)
    for by_state in (jax.grad(found), jax.grad(jax.jit(found))):
        with pytest.raises(DeviceError, match=r"Gradients of StatePrep on wires \[0\]"):
            by_state(*given)


# --- Observables that are not Hermitian.


def test_complex_coefficients():
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(1j * qml.Z(0)), qml.expval(qml.X(0) @ qml.Y(0)), qml.expval((1 + 2j) * qml.Z(0))

    cos, batch = np.cos(0.3), np.array([0.3, 0.3])
    found = both(circuit, 1)[0]
    np.testing.assert_allclose(found(0.3), [1j * cos, 1j * cos, (1 + 2j) * cos], atol=1e-14)
    np.testing.assert_allclose(found(batch), np.outer([1j, 1j, 1 + 2j], np.cos(batch)), atol=1e-14)
    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    found(x)[2].imag.backward()
    np.testing.assert_allclose(x.grad, -2 * np.sin(0.3), atol=1e-14)


@pytest.mark.parametrize(
    "measure",
    [
        lambda: qml.expval(1j * qml.Hadamard(0)),
        lambda: qml.expval(qml.prod(qml.X(0), qml.Hadamard(0))),
        lambda: qml.expval(qml.Hermitian(np.array([[0, 1], [0, 0]]), 0)),
        lambda: qml.var(1j * qml.Z(0)),
    ],
)
def test_other_observables_that_are_not_hermitian_are_refused(measure):
    def circuit():
        qml.RX(0.3, 0)
        return measure()

    with pytest.raises(DeviceError, match="not accepted for analytic simulation on qproj"):
        both(circuit, 1)[0]()


# --- Derivatives of every measurement, of any order.

MEASUREMENTS = {
    "state": lambda: qml.state(),
    "density matrix": lambda: qml.density_matrix([1]),
    "probs": lambda: qml.probs(wires=[1, 0]),
    "probs of an observable": lambda: qml.probs(op=qml.Y(1)),
    "var": lambda: qml.var(qml.Y(0) @ qml.Z(1)),
    "purity": lambda: qml.purity([0]),
    "vn_entropy": lambda: qml.vn_entropy([0]),
    "mutual_info": lambda: qml.mutual_info([0], [1]),
    "Hermitian": lambda: qml.expval(qml.Hermitian([[1, 2j], [-2j, 0.3]], 1)),
    "Projector": lambda: qml.expval(qml.Projector([0, 1], [0, 1])),
    "Sum": lambda: qml.expval(qml.Hadamard(0) + 0.3 * qml.Z(1) @ qml.X(0)),
    "words": lambda: [qml.expval(qml.Z(0)), qml.expval(1j * qml.X(1))],
}


@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("method", ["best", "parameter-shift", "finite-diff"])
def test_gradients_of_every_measurement(measurement, method):
    """The right value, or an error, by every method."""

    def circuit(x):
        entangled(x)
        return MEASUREMENTS[measurement]()

    expected = torch_gradient(both(circuit, 2)[1], 0.6)
    found = both(circuit, 2, diff_method=method)[0]
    try:
        gradient = torch_gradient(found, 0.6)
    except (DeviceError, ValueError, qml.exceptions.QuantumFunctionError) as error:
        assert method in ("parameter-shift", "finite-diff")
        assert len(str(error)) > 30  # noqa: PT017
    else:
        np.testing.assert_allclose(gradient, expected, atol=1e-5 if method == "finite-diff" else 1e-8)


@compiled
def test_gradients_of_final_states_on_the_engine():
    def circuit(x):
        entangled(x)
        qml.GlobalPhase(x)
        return qml.state(), qml.purity(0), qml.probs(wires=1)

    found, expected = both(circuit, 2)
    x = np.array([0.6, -0.3])
    np.testing.assert_allclose(torch_gradient(found, x), torch_gradient(expected, x), atol=1e-10)


def test_gradients_of_sparse_hamiltonians():
    """By shifted parameters, which "best" chooses."""
    matrix = qml.matrix(qml.X(0) @ qml.Z(1) + 0.3 * qml.Y(1), wire_order=[0, 1])
    hermitian, sparse = (
        lambda x: (entangled(x), qml.expval(qml.Hermitian(matrix, [0, 1])))[1],
        lambda x: (entangled(x), qml.expval(qml.SparseHamiltonian(csr_matrix(matrix), [0, 1])))[1],
    )
    gradients = [torch_gradient(both(f, 2)[0], 0.6) for f in (hermitian, sparse)]
    np.testing.assert_allclose(*gradients, atol=1e-10)


def test_gradients_of_a_batched_global_phase():
    def circuit(x):
        qml.RX(x, 0)
        qml.GlobalPhase(x)
        return qml.expval(qml.Z(0))

    found, x = both(circuit, 1)[0], np.array([0.2, 0.3, 0.6])
    point = torch.tensor(x, requires_grad=True)
    with compiled:
        found(point).sum().backward()
    np.testing.assert_allclose(point.grad, -np.sin(x), atol=1e-12)


def rotation(x):
    qml.RX(x, 0)
    return qml.expval(qml.Z(0))


@pytest.mark.parametrize("engine", [False, True])
def test_second_derivatives(engine):
    """Of cos; PennyLane's lightning gives 0 (PennyLane issue 9901)."""
    point, second = torch.tensor(0.3, dtype=torch.float64), -np.cos(0.3)
    with compiled if engine else mock.patch.object(warmth, "SECONDS", 1e9):
        qnode = both(rotation, 1, diff_method="adjoint")[0]
        np.testing.assert_allclose(torch.autograd.functional.hessian(qnode, point), second, atol=1e-12)
        np.testing.assert_allclose(qml.grad(qml.grad(qnode))(pnp.array(0.3)), second, atol=1e-12)
    if engine:
        with compiled, jax.enable_x64(True):
            np.testing.assert_allclose(jax.jit(jax.hessian(qnode))(0.3), second, atol=1e-12)


@pytest.mark.parametrize("engine", [False, True])
def test_autograd_of_a_number_of_python(engine):
    with compiled if engine else mock.patch.object(warmth, "SECONDS", 1e9):
        gradient = qml.grad(both(rotation, 1)[0], argnums=0)(0.3)
    np.testing.assert_allclose(gradient, -np.sin(0.3), atol=1e-12)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_forward_mode_in_torch():
    with compiled, torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(
            torch.tensor(0.3, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
        )
        tangent = torch.autograd.forward_ad.unpack_dual(both(rotation, 1)[0](dual)).tangent
    np.testing.assert_allclose(tangent, -2 * np.sin(0.3), atol=1e-7)


@compiled
def test_complex_angles_are_not_cut_to_real_ones():
    def state(x):
        qml.RX(x, 0)
        return qml.state()

    found, expected = (qnode(0.1 + 0.2j) for qnode in both(state, 1))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    with jax.enable_x64(True):  # as PennyLane differentiates states in JAX
        slope = jax.jit(jax.jacobian(both(state, 1)[0], holomorphic=True))(jax.numpy.array(0.1 + 0j))
    np.testing.assert_allclose(slope, [-np.sin(0.05) / 2, -0.5j * np.cos(0.05)], atol=1e-12)


def test_forward_mode_in_jax():
    """By PennyLane's simulator: the engine's programs have rules for reverse mode alone."""

    @qml.qnode(qml.device(NAME, wires=2))
    def found(x):
        qml.RX(x[0], 0)
        qml.RY(x[1], 1)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1)), qml.probs(wires=1)

    a, b = x = np.array([0.4, 0.7])
    value = np.array([-np.sin(a) * np.cos(b), -np.cos(a) * np.sin(b)])
    with jax.enable_x64(True):
        of_value, of_probabilities = jax.jit(jax.jacfwd(found))(jax.numpy.asarray(x))
    np.testing.assert_allclose(of_value, value, atol=1e-12)
    np.testing.assert_allclose(of_probabilities, [value / 2, -value / 2], atol=1e-12)


def test_vmap_in_jax():
    def circuit(x, w):
        qml.RX(x, 0)
        qml.CRY(w, [0, 1])
        return qml.expval(qml.Z(1))

    found = both(circuit, 2)[0]
    x, w = np.linspace(0.1, 1, 4), 0.7
    # <Z1> = cos(x / 2)**2 + sin(x / 2)**2 cos(w)
    by_x = -np.sin(x) / 2 * (1 - np.cos(w))
    with jax.enable_x64(True):
        total = jax.grad(lambda w: jax.vmap(found, in_axes=(0, None))(jax.numpy.asarray(x), w).sum())
        np.testing.assert_allclose(jax.jit(total)(w), -0.25085527, atol=1e-8)
        each = jax.jit(jax.vmap(jax.grad(found), in_axes=(0, None)))(jax.numpy.asarray(x), w)
        np.testing.assert_allclose(each, by_x, atol=1e-12)


def test_vmap_in_jax_without_jit():
    with jax.enable_x64(True):
        each = jax.vmap(jax.grad(both(rotation, 1)[0]))(jax.numpy.array([0.1, 0.2]))
    np.testing.assert_allclose(each, -np.sin([0.1, 0.2]), atol=1e-12)


@pytest.mark.parametrize("engine", [False, True])
def test_jit_around_a_circuit_without_parameters(engine):
    with compiled if engine else mock.patch.object(warmth, "SECONDS", 1e9), jax.enable_x64(True):
        found = both(rotation, 1)[0]
        np.testing.assert_allclose(jax.jit(lambda y: y * found(0.3))(2.0), 2 * np.cos(0.3), atol=1e-12)


# --- Seeds.


def test_a_key_draws_what_it_draws_in_pennylane():
    def circuit():
        qml.RX(1.0, 0)
        qml.CNOT([0, 1])
        return qml.sample()

    key = jax.random.PRNGKey(1)
    devices = [qml.device(name, wires=2, seed=key) for name in (NAME, "default.qubit")]
    found, expected = (qml.set_shots(qml.QNode(circuit, device), 50)() for device in devices)
    np.testing.assert_array_equal(found, expected)
    with compiled:
        np.testing.assert_array_equal(qml.set_shots(qml.QNode(circuit, devices[0]), 50)(), expected)


def test_the_global_seed():
    draws = []
    for _ in range(2):
        np.random.seed(7)  # noqa: NPY002
        device = qml.device(NAME, wires=1, seed="global")
        draws.append(qml.set_shots(qml.QNode(lambda: (qml.H(0), qml.sample())[1], device), 30)())
    np.testing.assert_array_equal(*draws)
