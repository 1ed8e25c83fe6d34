"""torch.compile, torch.export, and tensors that are not there."""

import pytest
import torch

import qproj
from qproj.circuits import text
from qproj.noise import Channel, NoiseModel, Rule
from qproj.planning.execution import Execution

from .test_simulation import random_circuit


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**options):
    torch.manual_seed(0)
    layer = qproj.QuantumLayer(2, 1, generator=generator(), **options)
    return torch.nn.Sequential(torch.nn.Linear(4, layer.n_inputs), layer, torch.nn.Linear(layer.n_outputs, 2))


def same_training_step(one, other, x):
    results = []
    for run in (one, other):
        run.zero_grad()
        x.grad = None
        y = run(x)
        y.square().sum().backward()
        results.append([y.detach(), x.grad, *(p.grad for p in run.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


OPTIONS = [{}, {"encoding": "amplitude"}, {"diff_method": "parameter-shift"}]
ELSEWHERE = [
    {"backend": "lightning.qubit"},
    {"backend": "default.qubit"},
]  # the second is torch's own operations
NOISY = {
    "noise": NoiseModel([Rule(Channel("DepolarizingChannel", 0.05))]),
    "strategy": "trajectories",
    "seed": 1,
}


@pytest.mark.parametrize("options", [*OPTIONS, *ELSEWHERE, NOISY], ids=str)
def test_the_whole_graph(options):
    plain = model(**options)
    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")
    for shape in [(4, 4), (3, 4), (2, 2, 4)][: 1 if options else None]:
        same_training_step(plain, compiled, torch.randn(shape, generator=generator(1), requires_grad=True))


# the compiler's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_inductor():
    plain = model()
    compiled = torch.compile(plain, fullgraph=True)
    for batch in (4, 3):  # the second size makes the program one for any
        x = torch.randn(batch, 4, generator=generator(batch), requires_grad=True)
        same_training_step(plain, compiled, x)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), plain(x))


def test_no_rows():
    plain = model()
    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")
    same_training_step(plain, compiled, torch.zeros(0, 4, requires_grad=True))


def test_half_precision_and_frozen_weights():
    layer = qproj.QuantumLayer(2, 1, generator=generator()).requires_grad_(False)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 2, generator=generator(1)).bfloat16().requires_grad_()
    assert compiled(x).dtype == torch.bfloat16
    same_training_step_of_inputs = [torch.autograd.grad(f(x).sum(), x)[0] for f in (layer, compiled)]
    torch.testing.assert_close(*same_training_step_of_inputs)


# torch's own: after a graph break dynamo looks at .grad of the tensor it resumes with
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_device_is_called_from_outside_the_graph():
    import pennylane as qml

    plain = model(backend=qml.device("default.qubit", wires=2))
    compiled = torch.compile(plain, backend="eager")
    x = torch.randn(2, 4, generator=generator(1))
    torch.testing.assert_close(compiled(x), plain(x))
    torch.compiler.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(plain, backend="eager", fullgraph=True)(x)


def test_opcheck():
    """Torch's own suite for operators: schema, fake tensors, autograd, dynamic shapes."""
    layer = qproj.QuantumLayer(2, 1, generator=generator())
    x = torch.randn(3, 2, generator=generator(1), requires_grad=True)
    arguments = (x, layer.weights, text.dumps(layer.circuit), "jax", Execution().text)
    torch.library.opcheck(torch.ops.qproj.expectation, arguments)


def test_meta_tensors_have_shapes():
    with torch.device("meta"):
        proj = qproj.QuantumProjection(16, 8, 3, 2)
        y = proj(torch.zeros(5, 16))
    assert y.shape == (5, 8)
    assert y.is_meta


def test_fake_tensors_have_shapes():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        layer = qproj.QuantumLayer(3, 2)
        assert layer(torch.zeros(5, 3)).shape == (5, 3)


@pytest.mark.parametrize("seed", range(20))
def test_text_holds_the_whole_circuit(seed):
    circuit = random_circuit(3, 15, seed)
    assert text.loads(text.dumps(circuit)) == circuit


@pytest.mark.parametrize("encoding", ["angle_x", "iqp", "amplitude"])
def test_text_of_named_circuits(encoding):
    words = [qproj.Hamiltonian([qproj.PauliWord("ZX", (0, 2), -0.1), qproj.PauliWord("Y", (1,))])]
    circuit = qproj.Circuit(3, 2, encoding, "basic_entangler", observables=words)
    again = text.loads(text.dumps(circuit))
    assert again == circuit
    assert again.gates == circuit.gates
    gates = [qproj.Gate("RX", (0,), qproj.Constant(0.1)), qproj.Gate("CNOT", (0, 1))]
    own = qproj.Circuit(3, encoding="amplitude" if encoding == "amplitude" else None, gates=gates)
    assert text.loads(text.dumps(own)) == own


@pytest.mark.parametrize(
    "wrong", ["", "[]", '{"n_qubits": 2, "more": 1}', '{"gates": [{"is": "Gun"}]}', "null"]
)
def test_text_of_something_else(wrong):
    with pytest.raises(ValueError, match=r"must be a circuit as qproj writes it|Expecting value"):
        text.loads(wrong)
