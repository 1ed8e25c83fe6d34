"""Circuits as PennyLane scripts, one a sample: how a device runs them, and two ways to their gradients.

Everything here is NumPy in double precision; PennyLane's own interface to torch would round to single.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot, Parameter, WeightSlot
from qproj.differentiation.shift_rules import shift_rule

Array = NDArray[np.float64]

# Scripts given to a device at once: enough to keep a cluster busy, few enough to fit in memory.
_CHUNK = 2000

# Below this squared norm, a state's share in a gradient is lost in rounding.
_NOTHING = 1e-24


class Method(Protocol):
    """One run of a circuit, and the way to its gradient."""

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values `(batch, n_outputs)` of `inputs` `(batch, n_features)` and flat `weights`."""

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients of `(forward(inputs, weights) * cotangents).sum()`, shaped like the arguments."""


class Tapes:
    """A circuit on a device.

    Args:
        circuit: The circuit.
        device: The PennyLane device; its first wires are the circuit's.
        shots: Measurements per expectation value, or `None` for exact values.
    """

    def __init__(self, circuit: Circuit, device: Any, shots: int | None = None) -> None:
        self.circuit, self.device, self.shots = circuit, device, shots
        self.gates = circuit.plain_gates
        self.labels = wire_labels(circuit, device)
        self.measurements = measurements(circuit, self.labels)
        self.mixing = mixing(circuit)

    def operations(self, row: Array, weights: Array) -> list[Any]:
        """The operations for one sample, preparation of its amplitudes aside."""
        return [operation(gate, self.labels, angle(gate.parameter, row, weights)) for gate in self.gates]

    def script(self, operations: list[Any], start: Array | None, trainable: Iterable[int] = ()) -> Any:
        """A script.

        Args:
            operations: Those of the gates.
            start: Amplitudes of the state the circuit starts in, of any length but 0, or `None`.
            trainable: Which of the gates' angles are to be differentiated, counted from 0.

        Returns:
            A PennyLane `QuantumScript` that measures the circuit's Pauli words.
        """
        import pennylane as qml
        from pennylane.tape import QuantumScript

        first: list[Any] = []
        if start is not None:
            # Normalised here, since PennyLane objects to the rounding of single precision.
            first = [qml.StatePrep(start / np.linalg.norm(start), wires=self.labels)]
        trainable = [len(first) + i for i in trainable]
        return QuantumScript(
            first + operations, self.measurements, shots=self.shots, trainable_params=trainable
        )

    def scripts(self, inputs: Array, weights: Array, trainable: Iterable[int] = ()) -> list[Any]:
        """One script a sample."""
        trainable, amplitudes = list(trainable), self.circuit.amplitudes
        return [
            self.script(self.operations(row, weights), row if amplitudes else None, trainable)
            for row in inputs
        ]

    def prepare(self, scripts: list[Any], config: Any = None) -> tuple[Any, Any, Any]:
        """Scripts as the device takes them, what makes results of its results, and its full config."""
        from pennylane.devices import ExecutionConfig

        with device_says(self.device):
            config = self.device.setup_execution_config(config or ExecutionConfig())
            return *self.device.preprocess_transforms(config)(scripts), config

    def execute(self, scripts: Any, results: Any, config: Any) -> Array:
        """Run prepared scripts: values `(len(scripts), n_outputs)`."""
        with device_says(self.device):
            # Bare numbers, not tuples of one, where one word is measured.
            rows = np.array(results(self.device.execute(scripts, config)), np.float64)
        return rows.reshape(-1, len(self.measurements)) @ self.mixing

    def run(self, scripts: Iterable[Any]) -> Array:
        """Prepare and run scripts, a chunk at a time: values `(number of scripts, n_outputs)`."""
        scripts, values = iter(scripts), []
        while chunk := list(itertools.islice(scripts, _CHUNK)):
            values.append(self.execute(*self.prepare(chunk)))
        return np.concatenate(values)


class Adjoint:
    """The device's own adjoint method: one vector-Jacobian product for each sample.

    Args:
        tapes: The circuit on the device.
        needs: Whether gradients with respect to inputs and to weights will be asked for.

    Raises:
        ValueError: From `forward`, if the device writes the circuit's gates as others.
    """

    def __init__(self, tapes: Tapes, needs: tuple[bool, bool]) -> None:
        self.tapes = tapes
        parameters = [gate.parameter for gate in tapes.gates if gate.parameter is not None]
        self.trainable = [i for i, p in enumerate(parameters) if _is_needed(p, needs)]
        self.parameters = [parameters[i] for i in self.trainable]
        self.prepared: Any = None
        self.config: Any = None

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values; see `Method`."""
        from pennylane.devices import ExecutionConfig

        scripts = self.tapes.scripts(inputs, weights, self.trainable)
        if not self.trainable:
            return self.tapes.run(scripts)
        config = ExecutionConfig(
            gradient_method="adjoint", use_device_gradient=True, use_device_jacobian_product=True
        )
        prepared, results, self.config = self.tapes.prepare(scripts, config)
        if len(prepared) != len(scripts):
            raise ValueError(self._refusal("splits the circuit in several"))
        self.prepared = list(map(self._realigned, prepared))
        return self.tapes.execute(self.prepared, results, self.config)

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients; see `Method`."""
        by_angle = np.zeros((len(inputs), len(self.trainable)))
        if self.trainable:
            # Devices take cotangents below 1e-8 for zero, which the gradient of a mean may well be.
            size = np.abs(cotangents).max(axis=1, keepdims=True)
            size[size == 0] = 1
            rows = (cotangents / size @ self.tapes.mixing.T).tolist()
            # A device expects a bare number, not a tuple of one, for a circuit with one measurement.
            rows = [tuple(row) if len(row) > 1 else row[0] for row in rows]
            with device_says(self.tapes.device):
                products = self.tapes.device.compute_vjp(self.prepared, rows, self.config)
            by_angle = size * np.array(products, np.float64).reshape(by_angle.shape)
        return _collect(self.parameters, by_angle, inputs, weights)

    def _realigned(self, script: Any) -> Any:
        """A prepared script, sure to name the same angles trainable as before.

        Where a device writes an operation as several, PennyLane marks every parameter trainable.
        """
        names = [gate.name for gate in self.tapes.gates]
        split = len(script.operations) - len(names)
        if split < 0 or [operation.name for operation in script.operations[split:]] != names:
            raise ValueError(self._refusal("writes its gates as others"))
        first = sum(operation.num_params for operation in script.operations[:split])
        return script.copy(trainable_params=[first + i for i in self.trainable])

    def _refusal(self, what: str) -> str:
        return (
            f"diff_method must be 'parameter-shift' for this circuit on PennyLane device "
            f"{self.tapes.device.name!r}, but was 'adjoint', for which the device {what}."
        )


class ParameterShift:
    """Parameter-shift rules: a few scripts for each angle that occurs, on any device and with shots.

    Amplitudes `c` enter by the quadratic form `h(c) = |c|**2 f(c / |c|)`, which is `f` where they are
    normalised; `(h(c + e_k) - h(c - e_k)) / 2` is its k-th derivative, exactly.

    Args:
        tapes: The circuit on the device.
        needs: Whether gradients with respect to inputs and to weights will be asked for.
    """

    def __init__(self, tapes: Tapes, needs: tuple[bool, bool]) -> None:
        self.tapes = tapes
        self.places = [i for i, gate in enumerate(tapes.gates) if _is_needed(gate.parameter, needs)]
        self.parameters: list[Parameter] = [p for i in self.places if (p := tapes.gates[i].parameter)]
        self.amplitudes = tapes.circuit.amplitudes and needs[0]
        if self.amplitudes:
            self.parameters += map(InputSlot, range(tapes.circuit.n_features))

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values; see `Method`."""
        return self.tapes.run(self.tapes.scripts(inputs, weights))

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients; see `Method`."""
        by_angle = np.zeros((len(inputs), len(self.parameters)))
        # Samples that the loss does not depend on cost no run.
        rows = [i for i, cotangent in enumerate(cotangents) if cotangent.any()]
        jobs = ((i, *job) for i in rows for job in self._jobs(inputs[i], weights))
        while chunk := list(itertools.islice(jobs, _CHUNK)):
            values = self.tapes.run(script for *_, script in chunk)
            for (i, column, coefficient, _), value in zip(chunk, values, strict=True):
                by_angle[i, column] += coefficient * (cotangents[i] @ value)
        return _collect(self.parameters, by_angle, inputs, weights)

    def _jobs(self, row: Array, weights: Array) -> Iterator[tuple[int, float, Any]]:
        """What to run for one sample: the parameter it is for, its coefficient, the script."""
        operations = self.tapes.operations(row, weights)
        start = row if self.tapes.circuit.amplitudes else None
        for column, place in enumerate(self.places):
            gate = self.tapes.gates[place]
            here = angle(gate.parameter, row, weights)
            for coefficient, shift in zip(*shift_rule(gate.kind.frequencies), strict=True):
                shifted = operations.copy()
                shifted[place] = operation(gate, self.tapes.labels, here + shift)
                yield column, coefficient, self.tapes.script(shifted, start)
        if self.amplitudes and start is not None:
            for k, sign in itertools.product(range(len(start)), (1.0, -1.0)):
                moved = start.copy()
                moved[k] += sign
                weight = float(moved @ moved)
                if weight > _NOTHING:
                    yield len(self.places) + k, sign * weight / 2, self.tapes.script(operations, moved)


def _is_needed(parameter: Parameter | None, needs: tuple[bool, bool]) -> bool:
    return (needs[0] and isinstance(parameter, InputSlot)) or (needs[1] and isinstance(parameter, WeightSlot))


def _collect(
    parameters: list[Parameter], by_angle: Array, inputs: Array, weights: Array
) -> tuple[Array, Array]:
    """Gradients from those with respect to single angles, `(batch, len(parameters))`, by the chain rule."""
    grad_inputs, grad_weights = np.zeros_like(inputs), np.zeros_like(weights)
    for parameter, gradient in zip(parameters, by_angle.T, strict=True):
        match parameter:
            case InputSlot(index, scale):
                grad_inputs[:, index] += scale * gradient
            case WeightSlot(index, scale):
                grad_weights[index] += scale * gradient.sum()
    return grad_inputs, grad_weights


def angle(parameter: Parameter | None, inputs: Any, weights: Any) -> Any:
    """A gate's angle; `inputs` `(..., n_features)` and `weights` flat, of NumPy or of torch."""
    match parameter:
        case Constant(value):
            return value
        case InputSlot(index, scale):
            return scale * inputs[..., index]
        case WeightSlot(index, scale):
            return scale * weights[index]
    return None


def wire_labels(circuit: Circuit, device: Any) -> list[Any]:
    """What the device calls the circuit's wires."""
    return list(range(circuit.n_qubits) if device.wires is None else device.wires)[: circuit.n_qubits]


def operation(gate: Gate, labels: list[Any], angle: Any) -> Any:
    """A gate as a PennyLane operation."""
    import pennylane as qml

    angles = () if gate.parameter is None else (angle,)
    return getattr(qml, gate.name)(*angles, wires=[labels[wire] for wire in gate.wires])


def measurements(circuit: Circuit, labels: list[Any]) -> list[Any]:
    """The Pauli words of all observables, without coefficients: what every device can measure."""
    import pennylane as qml

    products = []
    for word in circuit.words:
        paulis = [getattr(qml, f"Pauli{p}")(labels[w]) for p, w in zip(word.letters, word.wires, strict=True)]
        products.append(paulis[0] if len(paulis) == 1 else qml.prod(*paulis))
    return [qml.expval(product) for product in products]


def mixing(circuit: Circuit) -> Array:
    """The matrix `(n_words, n_outputs)` of coefficients that makes outputs of `measurements`."""
    matrix = np.zeros((len(circuit.words), circuit.n_outputs))
    for i, (word, owner) in enumerate(zip(circuit.words, circuit.owners, strict=True)):
        matrix[i, owner] = word.coefficient
    return matrix


@contextlib.contextmanager
def device_says(device: Any) -> Iterator[None]:
    """Name the device in what it, or PennyLane on its behalf, raises."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(
            f"PennyLane device {device.name!r} could not run the circuit: {type(error).__name__}: {error}"
        ) from error
