"""The conformance suite passes what keeps the contract, and fails what does not."""

import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import qproj
from qproj.backends import Capabilities, families, get_backend
from qproj.backends.sampler import RowsFailedError
from qproj.planning import execution
from qproj.planning.execution import Execution
from qproj.testing import conformance

TEXT = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
NAMES = {"__name__": "toy.backend"}
for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
    exec(code, NAMES)
Toy = NAMES["ToySampler"]


@pytest.mark.parametrize("backend", ["jax", "default.qubit", "pennylane:lightning.qubit", "default.mixed"])
def test_backends_conform(backend, capsys, monkeypatch):
    if backend == "jax":  # which compiles each circuit for each method
        gates = [gate for gate in conformance.MIXED.gates if 2 not in gate.wires]
        terms = qproj.Hamiltonian([qproj.PauliWord("Z"), qproj.PauliWord("ZX", (0, 1), 2.0)])
        words = [qproj.PauliWord("XY", (1, 0), -0.5), qproj.PauliWord("Z", (1,)), terms]
        monkeypatch.setattr(conformance, "MIXED", qproj.Circuit(gates=gates, observables=words))
    assert conformance.main([backend]) == 0, capsys.readouterr().out


def test_the_documented_sampler_conforms():
    assert conformance.failures(Toy()) == {}


class Reversed(Toy):
    def on(self, state, matrix, wires):
        return super().on(state, matrix, tuple(state.ndim - 1 - wire for wire in wires))


class LittleEndian(Toy):
    """The amplitudes only."""

    def row(self, bound, row):
        if bound.amplitudes is not None:
            n = bound.template.circuit.n_qubits
            turned = bound.amplitudes.reshape(-1, *(2,) * n).transpose(0, *range(n, 0, -1))
            bound.amplitudes[:] = turned.reshape(bound.amplitudes.shape)
        return super().row(bound, row)


class WrongSign(Toy):
    def apply(self, state, name, wires, angle):
        return super().apply(state, name, wires, None if angle is None else -angle)


class DropsARow(Toy):
    def run(self, bound, execution):
        return super().run(bound, execution)[: max(1, len(bound) - 1)]


class SwapsRows(Toy):
    def run(self, bound, execution):
        return super().run(bound, execution)[::-1]


class HalfTheShots(Toy):
    def run(self, bound, execution):
        half = None if execution.shots is None else execution.shots // 2
        return super().run(bound, Execution(shots=half))


class Unseeded(Toy):
    def run(self, bound, execution):
        return super().run(replace(bound, seeds=None), execution)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Reversed, "check_bit_order"),
        (LittleEndian, "check_bit_order"),
        (WrongSign, "check_signs"),
        (DropsARow, "check_batches"),
        (SwapsRows, "check_values"),
        (HalfTheShots, "check_shots"),
        (Unseeded, "check_seed"),
    ],
)
def test_a_wrong_vendor_fails(wrong, check):
    assert check in conformance.failures(wrong())


def test_a_failed_row_is_named_by_its_sample():
    class Breaks(Toy):
        def run(self, bound, execution):
            raise RowsFailedError("the queue is closed", [2])

    layer = qproj.QuantumLayer(2, 1, backend=Breaks())
    with pytest.raises(RuntimeError, match=r"backend 'toy' could not run .* for sample 2: .*queue is closed"):
        layer(NAMES["torch"].zeros(4, 2))


def test_a_gate_that_cannot_be_run_is_named_with_its_place():
    circuit = qproj.Circuit(gates=[qproj.Gate("Hadamard", (0,)), qproj.Gate("T", (0,))])
    with pytest.raises(ValueError, match="gate 1 is T on wires"):
        qproj.QuantumLayer(circuit=circuit, backend=Toy())


def test_another_package_adds_a_family(monkeypatch):
    entry = metadata.EntryPoint("toy", "toy.backend", families.GROUP)
    known = {"load": NAMES["load"], "NAMES": {"": Capabilities()}, "PACKAGE": "not_installed"}
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda _: type("Module", (), known))
    monkeypatch.setattr(families, "_entry_points", lambda: {"toy": entry})
    families.family.cache_clear()
    try:
        assert get_backend("toy:any").name == "toy"
        assert set(families.advertised()) - set(families.found()) >= {"toy"}
    finally:
        families.family.cache_clear()


def test_advertised_capabilities_are_those_of_the_backend():
    """Lists of backends that can are made without loading PennyLane."""
    for name, said in families.found().items():
        found = get_backend(name).capabilities
        for field in ("exact", "shots", "shots_per", "seed", "noise", "diff_methods", "measures", "holds"):
            assert getattr(found, field) == getattr(said, field), (name, field)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "jax", "seed": 5}, "seed must be None where values are exact"),
        ({"backend": "jax", "shots": 0}, "shots must be at least 1"),
        ({"backend": "default.qubit", "seed": 5}, "seed must be None where values are exact"),
        ({"backend": "default.qubit", "noise": "some"}, "noise must be None.*'jax', 'default.mixed'"),
        (
            {"backend": "default.qubit", "backend_options": {"a": 1}},
            "backend_options must be of 'max_workers'",
        ),
        (
            {"backend": "nobody:x"},
            "the family of backend must be one of 'cirq', 'jax', 'pennylane', 'qiskit', but was 'nobody'",
        ),
    ],
)
def test_what_a_backend_cannot_do_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        qproj.QuantumLayer(2, 1, **options)


def test_an_execution_is_text_and_a_key():
    given = Execution("adjoint", shots=3, seed=1, extra={"a": [1, 2], "b": "x"})
    assert execution.loads(given.text) == given
    assert hash(execution.loads(given.text)) == hash(given)
    numpys = Execution("adjoint", shots=np.int64(3), seed=np.uint8(1), extra={"a": (1, 2), "b": "x"})
    assert numpys.text == given.text
    assert Execution(extra={"a": np.complex64}).text is None
    with pytest.raises(TypeError, match="backend_options must have hashable values"):
        Execution(extra={"a": {}})
