"""QNodes as layers: against `qml.qnn.TorchLayer`, its documentation's examples, and what is refused."""

import copy
import io
import pickle

import numpy as np
import pennylane as qml
import pytest
import torch

import qproj
from qproj.circuits import Constant, Gate, InputSlot, WeightSlot

DEVICE = qml.device("default.qubit", wires=3)
Z = [lambda: qml.expval(qml.Z(0))]


def qnode(*gates, returns=Z):
    """A QNode of functions of inputs and weight `w`."""

    def circuit(inputs, w):
        for gate in gates:
            gate(inputs, w)
        measured = [measure() for measure in returns]
        return measured[0] if len(measured) == 1 else measured

    return qml.QNode(circuit, DEVICE)


def pair(node, shapes, init_method=None, **options):
    """The layer and TorchLayer, made from the same seed."""
    layers = []
    for make in (qproj.from_qnode, qml.qnn.TorchLayer):
        torch.manual_seed(0)
        layers.append(make(node, shapes, init_method, **(options if make is qproj.from_qnode else {})))
    return layers


def same(node, shapes, *shapes_of_inputs, init_method=None, **options):
    """Parameters, outputs and gradients as TorchLayer's."""
    layer, peer = pair(node, shapes, init_method, **options)
    state, expected = layer.state_dict(), peer.state_dict()
    assert list(state) == list(expected) == list(shapes)
    for name, weight in expected.items():
        assert torch.equal(state[name], weight)
    for shape in shapes_of_inputs:
        draw = torch.Generator().manual_seed(1)
        values, gradients = [], []
        for each in (layer, peer):
            each.zero_grad()
            x = torch.randn(shape, generator=draw.manual_seed(1), dtype=torch.float64, requires_grad=True)
            y = each(x)
            values.append(y.detach())
            y.backward(torch.randn(y.shape, generator=draw.manual_seed(2), dtype=torch.float64))
            gradients.append([x.grad, *(p.grad.double() for p in each.parameters())])
        assert values[0].dtype == torch.float64
        torch.testing.assert_close(*values, atol=1e-10, rtol=0)
        # The parameters' gradients are of single precision.
        torch.testing.assert_close(*gradients, atol=2e-6, rtol=0)
    return layer


# --- The documentation of qml.qnn.TorchLayer, with another constructor.


def test_first_example():
    n_qubits = 2
    dev = qml.device("default.qubit", wires=n_qubits)

    @qml.qnode(dev)
    def qnode(inputs, weights_0, weight_1):
        qml.RX(inputs[0], wires=0)
        qml.RX(inputs[1], wires=1)
        qml.Rot(*weights_0, wires=0)
        qml.RY(weight_1, wires=1)
        qml.CNOT(wires=[0, 1])
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    weight_shapes = {"weights_0": 3, "weight_1": 1}
    qlayer = qproj.from_qnode(qnode, weight_shapes)
    clayer = torch.nn.Linear(2, 2)
    model = torch.nn.Sequential(qlayer, clayer)
    assert [name for name, _ in model.named_parameters()] == [
        *("0.weights_0", "0.weight_1", "1.weight", "1.bias")
    ]
    assert qlayer.weight_1.shape == ()
    same(qnode, weight_shapes, (2,))


@pytest.mark.parametrize("alternative", [None, torch.nn.init.normal_, "dictionary"])
def test_initialising_weights(alternative):
    n_qubits = 2

    @qml.qnode(DEVICE)
    def qnode(inputs, weights_0, weights_1, weights_2, weight_3, weight_4):
        qml.templates.AngleEmbedding(inputs, wires=range(n_qubits))
        qml.templates.StronglyEntanglingLayers(weights_0, wires=range(n_qubits))
        qml.templates.BasicEntanglerLayers(weights_1, wires=range(n_qubits))
        qml.Rot(*weights_2, wires=0)
        qml.RY(weight_3, wires=1)
        qml.RZ(weight_4, wires=1)
        qml.CNOT(wires=[0, 1])
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    weight_shapes = {
        "weights_0": (1, n_qubits, 3),
        "weights_1": (1, n_qubits),
        "weights_2": 3,
        "weight_3": 1,
        "weight_4": (1,),
    }
    init_method = {
        "weights_0": torch.nn.init.normal_,
        "weights_1": torch.nn.init.uniform_,
        "weights_2": torch.tensor([1.0, 2.0, 3.0]),
        "weight_3": torch.tensor(1.0),
        "weight_4": torch.tensor([1.0]),
    }
    method = init_method if alternative == "dictionary" else alternative
    if alternative is torch.nn.init.normal_:
        weight_shapes["weight_3"] = (1,)
    same(qnode, weight_shapes, (2,), init_method=method)


def moons():
    n_qubits = 2

    @qml.qnode(DEVICE)
    def qnode(inputs, weights):
        qml.templates.AngleEmbedding(inputs, wires=range(n_qubits))
        qml.templates.StronglyEntanglingLayers(weights, wires=range(n_qubits))
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    return qnode, {"weights": (1, n_qubits, 3)}


def test_model_saving(tmp_path):
    path = tmp_path / "model.pt"
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        qlayer = qproj.from_qnode(*moons())
        models.append(torch.nn.Sequential(qlayer, torch.nn.Linear(2, 2)))
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(models[0](x), models[1](x))
    torch.save(models[0].state_dict(), path)
    models[1].load_state_dict(torch.load(path))
    models[1].eval()
    assert torch.equal(models[0](x), models[1](x))


def test_full_code_example_learns_as_torchlayer_does():
    """Step by step the same losses; scikit-learn's two moons, drawn here."""
    rng = np.random.default_rng(0)
    t, y = rng.uniform(0, np.pi, 40), rng.integers(0, 2, 40)
    x = np.stack([np.where(y, 1 - np.cos(t), np.cos(t)), np.where(y, 0.5 - np.sin(t), np.sin(t))], axis=1)
    inputs, targets = torch.tensor(x).float(), torch.nn.functional.one_hot(torch.tensor(y), 2).float()
    losses = []
    for make in (qproj.from_qnode, qml.qnn.TorchLayer):
        torch.manual_seed(0)
        first, last = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        model = torch.nn.Sequential(first, make(*moons()), last, torch.nn.Softmax(dim=1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        losses.append([])
        for start in range(0, 40, 5):
            optimizer.zero_grad()
            here = slice(start, start + 5)
            loss = torch.nn.L1Loss()(model(inputs[here]), targets[here])
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(*losses, atol=1e-4)
    assert losses[0][-1] != losses[0][0]


# --- What a QNode may be.


@pytest.mark.parametrize("returned", ["one", "tuple", "tuple of one", "list", "list of one"])
def test_shapes_are_those_of_torchlayer(returned):
    @qml.qnode(DEVICE)
    def node(inputs, w):
        qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
        qml.CRX(w, wires=[0, 1])
        if returned == "one":
            return qml.expval(qml.X(0) @ qml.Y(1))
        values = [qml.expval(qml.X(0) @ qml.Y(1))]
        if "of one" not in returned:
            values.append(qml.expval(qml.Z(0)))
        return tuple(values) if "tuple" in returned else values

    same(node, {"w": 1}, (2,), (1, 2), (2, 1, 2))


EMBED = lambda x, w: qml.AngleEmbedding(x, wires=range(3))  # noqa: E731
GATES = {
    "scales, offsets, sums and products": ((3,), [
        EMBED,
        lambda x, w: qml.RX(0.5 * x[..., 0] - 2 * w[0] + 0.3, 1),
        lambda x, w: qml.CRY(x.sum(-1) + w.sum() - x[..., 1] / 3, wires=[2, 0]),
        lambda x, w: qml.IsingYY(x[..., 0] * x[..., 1] + x[..., 2] ** 2 + w[1], wires=[0, 2]),
    ]),
    "gates of other kinds": ((3,), [
        lambda x, w: (qml.IQPEmbedding(x, wires=range(3)), qml.QFT(range(3)), qml.SX(0)),
        lambda x, w: (qml.U3(*w, wires=0), qml.CRot(*w, wires=[0, 2])),
        lambda x, w: qml.ctrl(qml.RX(w[0], 2), [0, 1], control_values=[1, 0]),
        lambda x, w: (qml.SingleExcitation(w[0], [0, 1]), qml.PauliRot(2 * w[1], "XYZ", range(3))),
        lambda x, w: (qml.GlobalPhase(w[0]), qml.PhaseShift(w[0], 0)),
    ]),
    "reuploading, adjoint": ((2, 3, 3), [
        EMBED, lambda x, w: qml.StronglyEntanglingLayers(w[:1], range(3)),
        EMBED, lambda x, w: qml.StronglyEntanglingLayers(w, range(3)),
        lambda x, w: qml.adjoint(qml.BasicEntanglerLayers)(w[1], wires=range(3)),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("kind", GATES)
def test_dependences(kind):
    shape, gates = GATES[kind]
    measured = [lambda: qml.expval(qml.Z(0)), lambda: qml.expval(qml.Y(1) @ qml.X(2))]
    same(qnode(*gates, returns=measured), {"w": shape}, (2, 3))


def test_numpy_integers_as_wires():
    def gates(x, w):
        for wire in np.arange(3):
            qml.RY(x[..., wire] + w[wire], wires=wire)
        qml.CNOT(wires=np.array([0, 1]))

    measured = [lambda: qml.expval(qml.Z(np.int64(1)))]
    layer = same(qnode(gates, returns=measured), {"w": 3}, (2, 3))
    plain = [Gate("RY", 0, InputSlot(0)), Gate("RY", 0, WeightSlot(0))]
    assert layer.circuit.gates[:2] == tuple(plain)
    assert all(type(wire) is int for gate in layer.circuit.gates for wire in gate.wires)


@pytest.mark.parametrize("n_inputs", [None, 2])
def test_written_for_batches(n_inputs):
    node = qnode(lambda x, w: (qml.RX(x[:, 0], 0), qml.RY(w * 2 + x[:, 1], 0)))
    layer = same(node, {"w": 1}, (3, 2), n_inputs=n_inputs)
    assert layer(torch.zeros(2)).shape == ()


def test_written_for_a_sample():
    """TorchLayer would take the first sample for the first input; the layer runs sample by sample."""
    layer = qproj.from_qnode(qnode(lambda x, w: (qml.RX(x[0], 0), qml.RY(x[1], 0), qml.RX(w, 0))), {"w": 1})
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), torch.stack([layer(row) for row in x]))


def test_observables():
    measured = [
        lambda: qml.expval(0.5 * qml.X(0) @ qml.Y(1) - 2 * qml.Z(2) + 0.25 * qml.I(0)),
        lambda: qml.expval(qml.Identity(0)),
        lambda: qml.expval(qml.Hamiltonian([0.3, 0.1], [qml.Z(0), qml.Z(0) @ qml.Z(1)])),
    ]
    layer = same(qnode(EMBED, lambda x, w: qml.RX(w, 1), returns=measured), {"w": 1}, (2, 3))
    assert layer.circuit.n_outputs == 3


ENTANGLED = (EMBED, lambda x, w: qml.StronglyEntanglingLayers(w, range(3)))


@pytest.mark.parametrize(
    "returns",
    [
        [qml.probs],  # of all wires of the device
        [
            lambda: qml.probs(wires=[2, 0]),
            lambda: qml.expval(0.5 * qml.Z(1) + 2 * qml.I(0)),
            lambda: qml.probs(op=qml.Y(1) @ qml.X(0)),
        ],
    ],
    ids=["one", "list"],
)
def test_probabilities(returns):
    same(qnode(*ENTANGLED, returns=returns), {"w": (1, 3, 3)}, (3,), (2, 3))


def test_a_tuple_of_probabilities_is_stacked():
    @qml.qnode(DEVICE)
    def node(inputs):
        EMBED(inputs, None)
        return qml.probs(wires=[2, 0]), qml.probs(wires=[1, 2])

    layer = same(node, {}, (3,), (2, 3))
    assert layer(torch.zeros(5, 3)).shape == (2, 5, 4)


def test_a_state_is_complex_with_its_phase():
    """In the order of the device's wires, those included that no gate is on; TorchLayer has its real part."""

    @qml.qnode(qml.device("default.qubit", wires=["c", "a", "b"]))
    def node(inputs, w):
        qml.RY(inputs[..., 0], "a")
        qml.RX(0.7, "c")
        qml.GlobalPhase(w[0], "a")
        qml.IsingXY(w[1], ["a", "c"])
        return qml.state()

    layer = qproj.from_qnode(node, {"w": 2})
    x = torch.tensor([[0.4], [1.3]], dtype=torch.float64)
    found, wanted = layer(x), node(x, layer.w.double())
    assert found.dtype == torch.complex128
    torch.testing.assert_close(found, wanted, atol=1e-7, rtol=0)
    target = torch.randn(8, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    gradients = [torch.autograd.grad(((y - target).abs() ** 2).sum(), layer.w)[0] for y in (found, wanted)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=0)


def test_the_circuit_is_what_was_written():
    layer = qproj.from_qnode(
        qnode(lambda x, w: qml.RX(0.5 * x[1] + 3 * w[2] + 0.1, 0), lambda x, w: qml.RY(x[0] * x[1], 0)),
        {"w": 4},
    )
    parameters = [gate.parameter for gate in layer.circuit.gates]
    assert parameters[0] == InputSlot(1, 0.5)
    assert parameters[1] == WeightSlot(2, 3.0)
    assert isinstance(parameters[2], Constant)
    assert parameters[2].value == pytest.approx(0.1, abs=1e-15)
    assert parameters[3] == InputSlot(0, 1.0, times=1)
    assert layer.w.shape == (4,)


@pytest.mark.parametrize(
    ("gates", "n_inputs"),
    [
        ([lambda x, w: qml.AngleEmbedding(x, wires=range(3))], 3),
        ([lambda x, w: qml.RX(x[4], 0)], 5),
        ([lambda x, w: (qml.RX(x[0], 0), qml.RY(x[1], 0))], 2),
        ([lambda x, w: qml.RX(w, 0)], 1),
    ],
)
def test_number_of_inputs(gates, n_inputs):
    layer = qproj.from_qnode(qnode(*gates), {"w": 1})
    assert layer(torch.zeros(2, n_inputs)).shape == (2,)
    with pytest.raises(ValueError, match=rf"inputs must have shape \(\.\.\., {n_inputs}\).*give n_inputs"):
        layer(torch.zeros(2, n_inputs + 1))


def test_fewer_inputs_where_asked_for():
    node = qnode(EMBED, lambda x, w: qml.RX(w, 0))
    same(node, {"w": 1}, (4, 2), n_inputs=2)


# --- A module like any other.


def test_copies_run_without_the_qnode():
    layer = qproj.from_qnode(*moons())
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=False)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), saved):
        assert torch.equal(other(x), layer(x))
        with torch.no_grad():
            other.weights += 1
        assert not torch.equal(other(x), layer(x))


def test_options_of_the_engine():
    x = torch.randn(2, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    layer = qproj.from_qnode(*moons(), diff_method="parameter-shift", strategy="fused-2")
    assert (layer.execution.diff_method, layer.execution.strategy) == ("parameter-shift", "fused-2")
    torch.manual_seed(0)
    elsewhere = qproj.from_qnode(*moons(), backend="default.qubit")
    torch.testing.assert_close(elsewhere(x), layer(x), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="strategy"):
        qproj.from_qnode(*moons(), strategy="slow")


def test_dtypes_shapes_and_reset():
    layer = qproj.from_qnode(*moons())
    assert layer(torch.zeros(0, 2)).shape == (0, 2)
    assert layer(torch.zeros(1, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16
    before = layer.weights.clone()
    layer.reset_parameters(torch.Generator().manual_seed(3))
    assert not torch.equal(layer.weights, before)
    assert 0 <= layer.weights.min() <= layer.weights.max() <= 2 * np.pi
    assert "n_qubits=2" in repr(layer)


# --- What is refused, and why.


def other(*gates, returns=Z, **options):
    with pytest.raises(ValueError, match="qnode must") as raised:
        qproj.from_qnode(qnode(*gates, returns=returns), {"w": 1}, **options)
    assert type(raised.value) is ValueError
    return str(raised.value)


NONLINEAR = {
    "inputs": lambda x, w: qml.RX(torch.arcsin(x[0] / 100), 0),
    "weights": lambda x, w: qml.RX(torch.sin(w), 0),
    "inputs and weights": lambda x, w: qml.RX(x[0] ** 3 + w, 0),
}


@pytest.mark.parametrize("sources", NONLINEAR)
def test_other_functions(sources):
    message = other(NONLINEAR[sources])
    assert f"that of RX on wires [0] is another function of {sources}" in message
    assert "Apply the function before the layer" in message


def test_products_of_inputs_and_weights():
    message = other(lambda x, w: qml.Hadamard(0), lambda x, w: qml.CRY(x[0] * w, wires=[0, 1]))
    assert "that of CRY on wires [0, 1] is a product of inputs and weights" in message


@pytest.mark.parametrize(
    "gate",
    [
        lambda x, w: qml.RX(torch.clamp(w, -np.pi, np.pi), 0),
        lambda x, w: qml.RX(torch.clamp(w, -20, 20), 0),
        lambda x, w: qml.RX(torch.remainder(w, 2 * np.pi), 0),
        lambda x, w: qml.RX(w.abs(), 0),
        lambda x, w: qml.RX(torch.clamp(x[0], -20, 20), 0),
    ],
    ids=["clamp", "wide clamp", "remainder", "abs", "clamp of an input"],
)
def test_what_is_cut_off_or_wrapped_around(gate):
    assert "is another function of" in other(gate)


@pytest.mark.parametrize(
    ("gates", "function"),
    [
        (lambda x, w: (w > -1e6).all() and qml.RX(w.sum(), 0), "gt, all, item"),
        (lambda x, w: qml.RX(w[0], 0) if w.sum() < 1e9 else qml.RY(w[0], 0), "lt, item"),
        (lambda x, w: float(w.detach().max()) < 1e6 and qml.RX(w[0], 0), "max, item"),
        (lambda x, w: np.abs(w.detach().numpy()).max() < 1e6 and qml.RX(w[0], 0), "numpy"),
        (lambda x, w: x.detach().tolist()[0] < 1e6 and qml.RX(x[0], 0), "tolist"),
        (lambda x, w: 1e6 in w or qml.RX(w[0], 0), "eq"),
        (lambda x, w: qml.cond(x[0] < 1e6, qml.RX, qml.RY)(x[0], 0), "lt, item"),
        (lambda x, w: qml.RX(torch.clamp(w[0], -1e6, 1e6), 0), "clamp"),
        (lambda x, w: qml.RX(torch.where(x[0] < 1e6, x[0], 0.0), 0), "lt"),
        (lambda x, w: qml.RX(torch.remainder(w[0] + 2e4, 4e4) - 2e4, 0), "remainder"),
        (lambda x, w: qml.RX(torch.sqrt((w[0] + 2e4) ** 2) - 2e4, 0), "sqrt"),
        (lambda x, w: qml.RX(x[0] + (w[1] + 1e6).long() // 10**8, 0), "_to_copy"),
        (lambda x, w: qml.RX(x[0] + torch.div(w[1], 1e7, rounding_mode="trunc"), 0), "div"),
    ],
)  # fmt: skip
def test_branches_that_no_drawn_number_takes(gates, function):
    """What probing cannot find is seen while the QNode runs."""
    with pytest.raises(ValueError, match="qnode must be one circuit whatever the values") as raised:
        qproj.from_qnode(qnode(gates), {"w": 3})
    applied = str(raised.value).split("it applies ")[1].split(" to them")[0].split(", ")
    assert set(function.split(", ")) <= set(applied)


def test_constants_and_shapes_may_be_branched_on():
    def gates(x, w):
        scale = torch.tensor([0.5, 2.0], dtype=torch.float64)
        if scale.max() > 1 and bool((torch.zeros_like(w) == 0).all()) and w.shape[0] == 3 and len(x):
            qml.RX(scale[0] * x[..., 0] + w @ torch.arange(3.0).double(), 0)

    same(qnode(gates), {"w": 3}, (2, 1))


SINGLE = torch.tensor([[0.1, 0.7], [1 / 3, -2.0]])


@pytest.mark.parametrize(
    "gates",
    [
        lambda x, w: [qml.RX(angle, i) for i, angle in enumerate((x @ SINGLE).unbind(-1))],
        lambda x, w: qml.RX(x[..., 0].float() / 3 + x[..., 1].float() * 0.1 + w[0].float() * 0.7 + 0.2, 0),
        lambda x, w: qml.Rot(*(w.to(torch.float32) * 0.3).unbind(), wires=0),
    ],
    ids=["a matrix", "sums", "weights"],
)
def test_arithmetic_in_single_precision(gates):
    layer, peer = pair(qnode(lambda x, w: qml.RY(x[..., 1], 0), gates), {"w": 3}, n_inputs=2)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x), peer(x).float(), atol=2e-6, rtol=0)
    # No terms made of rounding errors.
    angles = [p for gate in layer.circuit.gates for p in gate.parameters]
    assert all(abs(getattr(p, "scale", getattr(p, "value", None))) > 0.01 for p in angles)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")])
def test_made_within_modes_of_torch(mode):
    """As TorchLayer is, with the same outputs."""
    node, shapes = moons()
    init = {"weights": torch.randn(1, 2, 3)}
    x = torch.randn(3, 2)
    with mode():
        layer, peer = qproj.from_qnode(node, shapes, init), qml.qnn.TorchLayer(node, shapes, init)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), peer(x), atol=1e-6, rtol=0)


def test_what_torch_cannot_follow():
    message = other(lambda x, w: qml.RX(x.detach().numpy()[0], 0))
    assert "computed outside of torch" in message


def test_gates_that_depend_on_values():
    message = other(lambda x, w: qml.RX(x[0], 0) if x[0] > 0 else qml.RY(x[0], 0))
    assert "the same gates whatever the values" in message
    assert "RX on wires [0] became RY on wires [0]" in message or "RY on wires [0] became RX" in message
    message = other(lambda x, w: qml.RX(w, 0), lambda x, w: w > 0 and qml.PauliX(0))
    assert "their number changed" in message


def test_measurements_that_depend_on_values():
    @qml.qnode(DEVICE)
    def node(inputs, w):
        qml.RX(inputs[0], 0)
        return qml.expval(qml.Hamiltonian([float(w.detach()), 1.0], [qml.Z(0), qml.X(0)]))

    with pytest.raises(ValueError, match="qnode must measure the same whatever the values"):
        qproj.from_qnode(node, {"w": 1})


@pytest.mark.parametrize(
    "measure",
    [
        lambda: qml.density_matrix(0),
        lambda: qml.probs(op=qml.Hadamard(0)),
        lambda: qml.var(qml.Z(0)),
        lambda: qml.expval(qml.Hadamard(0)),
    ],
)
def test_other_measurements(measure):
    message = other(lambda x, w: qml.RX(x[0], 0), returns=[measure])
    assert "must measure probabilities, a state, or expectation values" in message
    assert "Use qml.qnn.TorchLayer" in message


def test_a_state_beside_others_and_a_tuple_of_unequal_widths():
    rotate = lambda x, w: qml.RX(x[0], 0)  # noqa: E731
    assert "must measure a state alone" in other(rotate, returns=[qml.state, lambda: qml.probs(wires=0)])

    @qml.qnode(DEVICE)
    def node(inputs):
        qml.RX(inputs[0], 0)
        return qml.probs(wires=0), qml.probs(wires=[0, 1])

    with pytest.raises(ValueError, match=r"must return a list .* numbers of values, here \[2, 4\]"):
        qproj.from_qnode(node, {})


def test_shots_measurements_in_the_middle_amplitudes_and_transforms():
    rotate = lambda x, w: qml.RX(x[0], 0)  # noqa: E731
    assert "measure in the middle" in other(rotate, lambda x, w: qml.measure(0))
    amplitude = other(lambda x, w: qml.AmplitudeEmbedding(x, wires=[0, 1], normalize=True))
    assert "AmplitudeEmbedding takes them as amplitudes. Use qproj.QuantumLayer" in amplitude
    with pytest.raises(ValueError, match=r"qnode must be exact \(shots=None\), but has Shots\(total=10\)"):
        qproj.from_qnode(qml.set_shots(qnode(rotate), 10), {"w": 1})
    with pytest.raises(ValueError, match="qnode must be one circuit, but a transform"):
        qproj.from_qnode(qml.gradients.param_shift(qnode(rotate)), {"w": 1})
    twice = qml.transforms.cancel_inverses(qnode(rotate, lambda x, w: (qml.H(0), qml.H(0), qml.RY(w, 0))))
    assert [gate.name for gate in qproj.from_qnode(twice, {"w": 1}).circuit.gates] == ["RX", "RY"]


def test_any_number_of_inputs():
    node = qnode(lambda x, w: [qml.RX(angle, 0) for angle in x])
    with pytest.raises(ValueError, match="n_inputs must be given"):
        qproj.from_qnode(node, {"w": 1})
    assert qproj.from_qnode(node, {"w": 1}, n_inputs=4).n_inputs == 4
    with pytest.raises(
        ValueError, match="n_inputs must be a number of inputs that qnode runs with, but was 4"
    ):
        qproj.from_qnode(qnode(EMBED), {"w": 1}, n_inputs=4)


def fails(inputs, w):
    raise KeyError("nothing")


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 2, 3), (18,), (17,)])
def test_weights_of_a_wrong_shape_are_refused(shape):
    """Those of three layers begin with those of two."""
    layer = qproj.from_qnode(
        qnode(lambda inputs, w: [qml.RX(inputs[0], 0), qml.StronglyEntanglingLayers(w, range(3))]),
        {"w": (2, 3, 3)},
    )
    with pytest.raises(ValueError, match=r"w must have shape \(2, 3, 3\), but had shape"):
        torch.func.functional_call(layer, {"w": torch.zeros(shape)}, (torch.zeros(1),))


def test_wrong_arguments():
    def no_inputs(x, w): ...

    def many(inputs, *w): ...

    node = qnode(EMBED)
    wrong = qml.QNode(no_inputs, DEVICE)
    missing = "weight_shapes must give a shape to each weight of qnode, w, but gave one to v"
    tensor = {"w": torch.zeros(2)}
    cases = [
        (TypeError, "qnode must be a pennylane.QNode, but was", no_inputs, {"w": 1}, None),
        (TypeError, "qnode must have an argument 'inputs', but had x, w", wrong, {}, None),
        (TypeError, "variable number of positional", qml.QNode(many, DEVICE), {"w": 1}, None),
        (ValueError, missing, node, {"v": 1}, None),
        (ValueError, "weight_shapes must not name 'inputs'", node, {"w": 1, "inputs": 3}, None),
        (ValueError, r"init_method must hold a tensor of shape \(3,\)", node, {"w": 3}, tensor),
        (ValueError, "interface of qnode", qml.QNode(fails, DEVICE, interface="jax"), {"w": 1}, None),
        (ValueError, "it failed: KeyError: 'nothing'", qml.QNode(fails, DEVICE), {"w": 1}, None),
    ]
    for error, message, node, shapes, init_method in cases:
        with pytest.raises(error, match=message):
            qproj.from_qnode(node, shapes, init_method)
    with pytest.raises(TypeError, match=r"inputs must be a torch\.Tensor, but was list"):
        qproj.from_qnode(qnode(EMBED), {"w": 1})([0.1])

    @qml.qnode(DEVICE)
    def taken(inputs, circuit):
        qml.RX(inputs[0] + circuit, 0)
        return qml.expval(qml.Z(0))

    with pytest.raises(ValueError, match="weight_shapes must not name a weight 'circuit'"):
        qproj.from_qnode(taken, {"circuit": 1})
