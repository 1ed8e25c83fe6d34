"""Circuits as PennyLane scripts, one a row: how a device runs them, and its own way to their gradients.

Everything here is NumPy in double precision; PennyLane's own interface to torch would round to single.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from qproj.backends.sampler import Array, Bound, UnsupportedError
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate


class Scripts:
    """Bound circuits as scripts for a device.

    Args:
        bound: The circuits.
        device: The PennyLane device; its first wires are the circuit's.
    """

    def __init__(self, bound: Bound, device: Any) -> None:
        self.bound, self.device = bound, device
        self.labels = wire_labels(bound.template.circuit, device)
        self.measurements = measurements(bound.template.circuit, self.labels)
        # Runs of shift rules differ in one angle each, and operations are slow to make.
        self._operations: dict[tuple[int, float | None], Any] = {}

    def script(self, row: int, shots: int | None = None, trainable: Sequence[int] = ()) -> Any:
        """A PennyLane `QuantumScript` of a row, that measures the circuit's Pauli words.

        Args:
            row: The row.
            shots: Measurements, or `None` for exact values.
            trainable: Places of the gates whose angles are to be differentiated.
        """
        from pennylane.tape import QuantumScript

        made = [*self._start(row), *self._gates(row)]
        numbers = _first_numbers(made)
        first = len(made) - len(self.bound.template.gates)
        return QuantumScript(
            made, self.measurements, shots=shots, trainable_params=[numbers[first + i] for i in trainable]
        )

    def run(self, shots: int | None) -> Array:
        """Values `(rows, n_words)`."""
        return self._execute(*prepare([self.script(i, shots) for i in range(len(self.bound))], self.device))

    def vjp(self, columns: Sequence[int]) -> tuple[Array, Callable[[Array], Array]]:
        """Values, and the product of cotangents `(rows, n_words)` with the Jacobian.

        Raises:
            UnsupportedError: If the device writes the circuit's gates as others.
        """
        from pennylane.devices import ExecutionConfig

        wanted = set(columns)
        places = [place for place, column in enumerate(self.bound.template.columns) if column in wanted]
        scripts = [self.script(i, trainable=places) for i in range(len(self.bound))]
        config = ExecutionConfig(
            gradient_method="adjoint", use_device_gradient=True, use_device_jacobian_product=True
        )
        prepared, results, config = prepare(scripts, self.device, config)
        if len(prepared) != len(scripts):
            raise UnsupportedError(self._refusal("splits the circuit in several"))
        prepared = [self._realigned(script, places) for script in prepared]
        device, shape = self.device, (len(scripts), len(places))

        def product(cotangents: Array) -> Array:
            # A device expects a bare number, not a tuple of one, for a circuit with one measurement.
            rows = [tuple(row) if len(row) > 1 else row[0] for row in cotangents.tolist()]
            return np.array(device.compute_vjp(prepared, rows, config), np.float64).reshape(shape)

        return self._execute(prepared, results, config), product

    def _start(self, row: int) -> list[Any]:
        import pennylane as qml

        if self.bound.amplitudes is None:
            return []
        return [qml.StatePrep(self.bound.amplitudes[row], wires=self.labels)]

    def _gates(self, row: int) -> list[Any]:
        made = []
        for place, (gate, angle) in enumerate(self.bound.operations(row)):
            key = place, angle
            if key not in self._operations:
                self._operations[key] = operation(gate, self.labels, angle)
            made.append(self._operations[key])
        return made

    def _execute(self, scripts: Any, results: Any, config: Any) -> Array:
        # Bare numbers, not tuples of one, where one word is measured.
        rows = np.array(results(self.device.execute(scripts, config)), np.float64)
        return rows.reshape(-1, len(self.measurements))

    def _realigned(self, script: Any, places: Sequence[int]) -> Any:
        """A prepared script, sure to name the same angles trainable as before.

        Where a device writes an operation as several, PennyLane marks every parameter trainable.
        """
        names = [gate.name for gate in self.bound.template.gates]
        first = len(script.operations) - len(names)
        if first < 0 or [operation.name for operation in script.operations[first:]] != names:
            raise UnsupportedError(self._refusal("writes its gates as others"))
        numbers = _first_numbers(script.operations)
        return script.copy(trainable_params=[numbers[first + i] for i in places])

    def _refusal(self, what: str) -> str:
        return (
            f"diff_method must be 'parameter-shift' for this circuit on PennyLane device "
            f"{self.device.name!r}, but was 'adjoint', for which the device {what}."
        )


def prepare(scripts: list[Any], device: Any, config: Any = None) -> tuple[Any, Any, Any]:
    """Scripts as a device takes them, what makes results of its results, and its full config."""
    from pennylane.devices import ExecutionConfig

    config = device.setup_execution_config(config or ExecutionConfig())
    return *device.preprocess_transforms(config)(scripts), config


def wire_labels(circuit: Circuit, device: Any) -> list[Any]:
    """What the device calls the circuit's wires."""
    return list(range(circuit.n_qubits) if device.wires is None else device.wires)[: circuit.n_qubits]


def operation(gate: Gate, labels: list[Any], angle: Any) -> Any:
    """A gate as a PennyLane operation."""
    import pennylane as qml

    numbers: list[Any] = [angle] * gate.kind.n_angles
    if gate.matrix:
        numbers = [[*np.array(gate.matrix)] if gate.is_channel else np.array(gate.matrix)]
    return getattr(qml, gate.name)(*numbers, wires=[labels[wire] for wire in gate.wires])


def measurements(circuit: Circuit, labels: list[Any]) -> list[Any]:
    """The Pauli words of all observables, without coefficients: what every device can measure."""
    import pennylane as qml

    products = []
    for word in circuit.words:
        paulis = [getattr(qml, p)(labels[w]) for p, w in zip(word.letters, word.wires, strict=True)]
        products.append(paulis[0] if len(paulis) == 1 else qml.prod(*paulis))
    return [qml.expval(product) for product in products]


def _first_numbers(operations: Sequence[Any]) -> list[int]:
    """The place of each operation's first parameter among all of a script's."""
    return list(accumulate((operation.num_params for operation in operations), initial=0))
