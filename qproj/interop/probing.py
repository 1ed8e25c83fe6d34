"""Runs a QNode on drawn numbers, and says what was run."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qproj.interop.formulas import gradients
from qproj.interop.tapes import is_native, is_phase
from qproj.interop.watching import Watch

QNODE_INPUT = "inputs"

# Up to this many inputs are tried where their number is not given.
_MOST_INPUTS = 64

_WAYS = tuple(itertools.product((torch.float64, torch.float32), (False, True)))

ON_THIS_ENGINE = 'Use qml.qnn.TorchLayer; with qml.device("qproj.statevector") it runs on this engine too.'


@dataclass(frozen=True)
class Run:
    """One run for one sample.

    Attributes:
        gates: Names and wires.
        angles: Of those gates that have one.
        measurements: PennyLane's.
        returns: As in `Traced`.
        x: The inputs.
        weights: All weights in one vector.
        watch: What the QNode did with inputs and weights.
    """

    gates: tuple[tuple[str, tuple[int, ...]], ...]
    angles: tuple[Tensor, ...]
    measurements: list[Any]
    returns: str
    x: Tensor
    weights: Tensor
    watch: Watch


class RefusedError(ValueError):
    """Of a QNode that cannot be a layer, whatever the number of its inputs."""


def split(flat: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """All weights in one vector, taken apart by name."""
    named, start = {}, 0
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        named[name] = flat[start : start + size].reshape(shape)
        start += size
    return named


class Probe:
    """Runs a QNode on drawn numbers.

    Args:
        qnode: The QNode.
        shapes: Of its weights.
    """

    def __init__(self, qnode: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._qnode = copy.copy(qnode)  # constructing a tape writes to it
        self._shapes = shapes
        # Whether it is written for a batch, as `inputs[:, 0]`, or for a sample, as `inputs[0]`; and in what
        # precision it runs: some multiply by matrices in single precision.
        self._for_batches, self._dtype = False, torch.float64
        self._failure: Exception | None = None

    def width(self) -> int:
        """The largest number of inputs that the QNode runs with and makes use of."""
        for self._dtype, self._for_batches in _WAYS:
            runs: list[int] = []
            used: list[int] = []
            for width in range(1, _MOST_INPUTS + 1):
                uses_all = self._uses_all(width)
                if used and not uses_all:
                    break
                runs += [width] * (uses_all is not None)
                used += [width] * bool(uses_all)
            if used and used[-1] == _MOST_INPUTS:
                raise ValueError(f"n_inputs must be given where qnode takes {_MOST_INPUTS} inputs or more.")
            if runs:
                return used[-1] if used else runs[0]
        raise ValueError(
            f"qnode must run on a number of inputs from 1 to {_MOST_INPUTS}, or n_inputs be given, but it "
            f"failed: {type(self._failure).__name__}: {self._failure}"
        ) from self._failure

    def checked(self, n_inputs: int) -> int:
        """The number of inputs, if the QNode runs with it, on samples or on batches."""
        for self._dtype, self._for_batches in _WAYS:
            if self._uses_all(n_inputs) is not None:
                return n_inputs
        raise ValueError(
            f"n_inputs must be a number of inputs that qnode runs with, but was {n_inputs!r}, where it "
            f"failed: {type(self._failure).__name__}: {self._failure}"
        ) from self._failure

    def run(
        self, n_inputs: int, generator: torch.Generator, size: float, of_weights: float = 1.0
    ) -> list[Run]:
        """Run the QNode on drawn numbers.

        Args:
            n_inputs: Of a sample.
            generator: Source of the numbers.
            size: Standard deviation of the inputs.
            of_weights: Standard deviation of the weights.

        Returns:
            What was run, for each sample.
        """
        n_rows = 2 if self._for_batches else 1
        rows = [_drawn(n_inputs, generator, size, self._dtype) for _ in range(n_rows)]
        n_weights = sum(torch.Size(shape).numel() for shape in self._shapes.values())
        weights = _drawn(n_weights, generator, of_weights, self._dtype)
        inputs = torch.stack(rows) if self._for_batches else rows[0]
        tape, returns, watch = self._tape({QNODE_INPUT: inputs, **split(weights, self._shapes)})
        operations = [operation for operation in tape.operations if not is_phase(operation)]
        gates = tuple((operation.name, tuple(operation.wires)) for operation in operations)
        return [
            Run(
                gates,
                tuple(_angle(operation, row, n_rows) for operation in operations if operation.num_params),
                list(tape.measurements),
                returns,
                x,
                weights,
                watch,
            )
            for row, x in enumerate(rows)
        ]

    def _uses_all(self, width: int) -> bool | None:
        """Whether all of so many inputs matter; `None` if the QNode does not run."""
        try:
            run = self.run(width, torch.Generator().manual_seed(1), 1.0)[0]
        except RefusedError:
            raise
        except Exception as error:  # whatever a function or PennyLane raises on a wrong number of inputs
            self._failure = error
            return None
        used = torch.zeros(width, dtype=torch.bool)
        for angle in run.angles:
            used |= gradients(angle, run.x, run.weights)[0] != 0
        return bool(used.all())

    def _tape(self, arguments: dict[str, Tensor]) -> tuple[Any, str, Watch]:
        """The tape of native gates, on wires from 0; how the QNode returns what it measures; what it did."""
        from pennylane.devices.preprocess import decompose
        from pennylane.measurements import MeasurementProcess

        # Not the decomposition: PennyLane branches there, but between writings of one operation.
        watch = Watch(arguments.values())
        qnode, outputs = copy.copy(self._qnode), []

        def function(*args: Any, **options: Any) -> Any:
            outputs.append(self._qnode.func(*args, **options))
            return outputs[-1]

        qnode.func = function
        tape = watch.run(lambda: qnode.construct((), arguments))
        output = outputs[-1]
        returns = "one" if isinstance(output, MeasurementProcess) else type(output).__name__
        if returns not in ("one", "tuple", "list"):
            raise RefusedError(f"qnode must return measurements, or a tuple or list of them, not {output!r}.")
        if tape.shots:
            raise RefusedError(f"qnode must be exact (shots=None), but has {tape.shots}. {ON_THIS_ENGINE}")
        tape = _with_all_wires(self._transformed(tape), self._qnode.device.wires)
        _check_operations(tape)
        (tape,), _ = decompose(
            tape,
            stopping_condition=is_native,
            skip_initial_state_prep=False,
            name="qproj.from_qnode",
            error=RefusedError,
        )
        return _numbered(tape), returns, watch

    def _transformed(self, tape: Any) -> Any:
        """The tape after the transforms that were applied to the QNode."""
        pipeline = self._qnode.compile_pipeline
        if not len(pipeline):
            return tape
        tapes = [] if pipeline.is_informative else pipeline((tape,))[0]
        # Where there is one tape that measures the same, its results are those of the QNode.
        if len(tapes) == 1 and tapes[0].measurements == tape.measurements:
            return tapes[0]
        raise RefusedError(
            "qnode must be one circuit, but a transform applied to it makes several of it, or changes what "
            "it measures. Take the transform off, or use qml.qnn.TorchLayer."
        )


def _with_all_wires(tape: Any, wires: Any) -> Any:
    """A tape in which probabilities and states of all wires name them: the device's, if it has any."""
    from pennylane.measurements import ProbabilityMP, StateMP

    def named(measurement: Any) -> Any:
        implied = isinstance(measurement, ProbabilityMP | StateMP) and not measurement.wires
        return type(measurement)(wires=wires or tape.wires) if implied else measurement

    return tape.copy(measurements=[named(measurement) for measurement in tape.measurements])


def _numbered(tape: Any) -> Any:
    """A tape on wires from 0, in the order of the state where one is measured."""
    from pennylane import RZ, PhaseShift, map_wires
    from pennylane.measurements import StateMP

    state = next((m for m in tape.measurements if type(m) is StateMP), None)
    if state is None:
        return tape.map_to_standard_wires()
    (tape,), _ = map_wires(tape, {wire: place for place, wire in enumerate(state.wires)})
    operations: list[Any] = []
    for operation in tape.operations:
        if operation.name == "GlobalPhase":  # matters here, and is no gate: exp(-i t), twice
            (angle,) = operation.data
            operations += [RZ(2 * angle, 0), PhaseShift(-2 * angle, 0)]
        else:
            operations.append(operation)
    return tape.copy(operations=operations)


def _drawn(count: int, generator: torch.Generator, size: float, dtype: torch.dtype) -> Tensor:
    numbers = size * torch.randn(count, generator=generator, dtype=torch.float64)
    return numbers.to(dtype).requires_grad_()


def _angle(operation: Any, row: int, n_rows: int) -> Tensor:
    """An operation's angle in one row, without dimensions."""
    angle = torch.as_tensor(operation.data[0], dtype=torch.float64)
    if angle.numel() == 1:
        return angle.reshape(())
    if angle.shape == (n_rows,):
        return angle[row]
    raise ValueError(
        f"qnode must give every gate one angle, but gave {operation.name} on wires {list(operation.wires)} "
        f"angles of shape {tuple(angle.shape)}."
    )


def _check_operations(tape: Any) -> None:
    from pennylane.math import requires_grad
    from pennylane.operation import StatePrepBase
    from pennylane.ops import MidMeasure

    for operation in tape.operations:
        if isinstance(operation, MidMeasure):
            raise RefusedError(
                "qnode must not measure in the middle of the circuit, but does. Apply qml.defer_measurements "
                "to it, or use qml.qnn.TorchLayer."
            )
        if isinstance(operation, StatePrepBase) and any(map(requires_grad, operation.data)):
            raise RefusedError(
                f"qnode must take inputs and weights as angles, but {operation.name} takes them as "
                "amplitudes. Use qproj.QuantumLayer(encoding='amplitude'), or qml.qnn.TorchLayer."
            )
