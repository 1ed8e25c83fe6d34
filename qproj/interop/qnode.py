"""A user's PennyLane QNode as a quantum layer on this engine: the drop-in for `qml.qnn.TorchLayer`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from qproj.interop.probing import QNODE_INPUT
from qproj.interop.tracing import Traced, trace
from qproj.layers import QuantumLayer
from qproj.planning.strategies import DiffMethod, Strategy

InitMethod = Callable[[Tensor], Any] | Mapping[str, Callable[[Tensor], Any] | Tensor] | None


def from_qnode(
    qnode: Any,
    weight_shapes: Mapping[str, int | Iterable[int]],
    init_method: InitMethod = None,
    *,
    n_inputs: int | None = None,
    diff_method: DiffMethod = "best",
    strategy: Strategy = "auto",
    backend: Any = "jax",
) -> QNodeLayer:
    """Make a quantum layer of a PennyLane QNode; the first three arguments are those of `qml.qnn.TorchLayer`.

    The QNode is run on a few drawn numbers to find out how its angles depend on inputs and weights, and is
    not needed afterwards. Each angle must be a sum of constants, multiples of inputs, of products of two
    inputs, and of weights; each measurement the expectation value of a sum of Pauli words, `qml.probs`, or
    `qml.state()` alone.

    What the QNode does in torch with inputs and weights is watched, so a function that compares, cuts off,
    wraps around or reads their values is refused, even where none of the drawn numbers shows it. What cannot
    be seen: a QNode that goes by anything else, such as the size of the batch, a global variable, a counter
    or the time; and a transform applied to the QNode that goes by values.

    Args:
        qnode: The QNode, with an argument `inputs`; all others are weights. Its device and `diff_method` do
            not matter. It may be written for one sample or for a batch; the layer runs both.
        weight_shapes: Shape of each weight; 1 for a number.
        init_method: A function of `torch.nn.init` for all weights, or for each of them such a function or a
            tensor; uniform in (0, 2 pi) if `None`.
        n_inputs: How many inputs a sample has; the most that the QNode makes use of if `None`.
        diff_method: As for `QuantumLayer`.
        strategy: As for `QuantumLayer`.
        backend: As for `QuantumLayer`.

    Returns:
        The layer. Its outputs have the shapes of `qml.qnn.TorchLayer`: `(...)` where the QNode returns one
        expectation value, `(..., 2**k)` for probabilities of `k` wires or a state; for a list `(..., n)`, all
        values one after the other; `(n, ..., 1)` or `(n, ..., 2**k)` for a tuple of `n > 1`. A state is
        complex, where `TorchLayer` drops the imaginary part.

    Raises:
        ValueError: If the QNode cannot be run so, and why; if shapes do not fit; or as `QuantumLayer`.
        TypeError: If the QNode has no argument `inputs`, or a variable number of them.
        ImportError: If PennyLane is not installed.
    """
    _check_qnode(qnode)
    shapes = {name: _shape(size) for name, size in weight_shapes.items()}
    _check_signature(qnode, shapes)
    values = {name: _initial(name, shape, init_method) for name, shape in shapes.items()}
    return QNodeLayer(
        trace(qnode, shapes, n_inputs), values, diff_method=diff_method, strategy=strategy, backend=backend
    )


class QNodeLayer(QuantumLayer):
    """A circuit that was a QNode, with its weights under the names they had there; made by `from_qnode`.

    Args:
        traced: What the QNode was found to do.
        values: The weights, by name, in the order in which the circuit's one vector of weights holds them.
        options: `diff_method`, `strategy` and `backend`, as for `QuantumLayer`.

    Attributes:
        weight_names: Names of the weights.

    Raises:
        ValueError: If a weight's name is one that the layer needs for itself, or as `QuantumLayer`.
    """

    weight_names: tuple[str, ...] = ()

    def __init__(self, traced: Traced, values: Mapping[str, Tensor], **options: Any) -> None:
        super().__init__(circuit=traced.circuit, **options)
        del self.weights  # one vector, in whose place come those with names
        self._n_inputs, self._returns = traced.n_inputs, traced.returns
        self._has_constants = any(traced.constants)
        for name, value in values.items():
            if hasattr(self, name) or "." in name:
                raise ValueError(
                    f"weight_shapes must not name a weight {name!r}, which the layer has already."
                )
            self.register_parameter(name, nn.Parameter(value))
        self.weight_names = tuple(values)
        self._shapes = tuple(value.shape for value in values.values())
        # Not part of the state, in which TorchLayer has no such entry.
        self.register_buffer("_constants", torch.tensor(traced.constants).double(), persistent=False)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, uniform in (0, 2 pi); see `QuantumLayer.reset_parameters`."""
        for name in self.weight_names:
            nn.init.uniform_(getattr(self, name), 0.0, 2 * math.pi, generator=generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """Run the circuit.

        Args:
            inputs: `(..., n_inputs)`, as the QNode takes them for one sample.

        Returns:
            What the QNode measures, in the dtype of `inputs`, or the complex one of its size for a state; see
            `from_qnode` for the shape.

        Raises:
            TypeError: As `QuantumLayer.forward`.
            ValueError: As `QuantumLayer.forward`.
        """
        if not isinstance(inputs, Tensor):
            raise TypeError(f"inputs must be a torch.Tensor, but was {type(inputs).__name__}.")
        if not inputs.ndim or inputs.shape[-1] != self._n_inputs:
            raise ValueError(
                f"inputs must have shape (..., {self._n_inputs}), but had shape {tuple(inputs.shape)}. If "
                "the QNode takes another number as well, give n_inputs to qproj.from_qnode."
            )
        named = [cast("Tensor", getattr(self, name)) for name in self.weight_names]
        for name, weight, shape in zip(self.weight_names, named, self._shapes, strict=True):
            if weight.shape != shape:
                raise ValueError(
                    f"{name} must have shape {tuple(shape)}, but had shape {tuple(weight.shape)}."
                )
        weights = torch.cat([w.reshape(-1) for w in named]) if named else inputs.new_zeros(0)
        # The circuit reaches up to the last input and weight that it uses.
        used = inputs[..., : self.circuit.n_inputs], weights[: self.circuit.weight_shape[0]]
        values = self._evaluate(*used)
        if self._has_constants:
            values = values + cast("Tensor", self._constants).to(values)
        n = len(self.circuit.observables)
        if self._returns == "one" and values.shape[-1] == 1:
            return values[..., 0]
        if self._returns == "tuple" and n > 1:
            return values.reshape(*values.shape[:-1], n, values.shape[-1] // n).movedim(-2, 0)
        return values


def _check_qnode(qnode: Any) -> None:
    try:
        from pennylane import QNode
    except ImportError as error:
        raise ImportError(
            "from_qnode needs PennyLane. Install it with pip install 'qproj[pennylane]'."
        ) from error
    if not isinstance(qnode, QNode):
        raise TypeError(f"qnode must be a pennylane.QNode, but was {qnode!r} ({type(qnode).__name__}).")
    if qnode.interface not in ("auto", "torch"):
        raise ValueError(f"interface of qnode must be 'auto' or 'torch', but was {qnode.interface!r}.")


def _check_signature(qnode: Any, shapes: Mapping[str, Any]) -> None:
    parameters = inspect.signature(qnode.func).parameters
    if QNODE_INPUT not in parameters:
        raise TypeError(
            f"qnode must have an argument {QNODE_INPUT!r}, but had {', '.join(parameters) or 'none'}."
        )
    if QNODE_INPUT in shapes:
        raise ValueError(
            f"weight_shapes must not name {QNODE_INPUT!r}, whose shape follows from what is passed."
        )
    kinds = [parameter.kind for parameter in parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        raise TypeError("qnode must not have a variable number of positional arguments, but had.")
    wanted = set(parameters) - {QNODE_INPUT}
    if inspect.Parameter.VAR_KEYWORD not in kinds and wanted != set(shapes):
        raise ValueError(
            f"weight_shapes must give a shape to each weight of qnode, {', '.join(sorted(wanted)) or 'none'},"
            f" but gave one to {', '.join(sorted(shapes)) or 'none'}."
        )


def _shape(size: int | Iterable[int]) -> tuple[int, ...]:
    if isinstance(size, Iterable):
        return tuple(size)
    return () if size == 1 else (size,)


def _initial(name: str, shape: tuple[int, ...], init_method: InitMethod) -> Tensor:
    """A weight's first value, drawn as `qml.qnn.TorchLayer` draws it."""
    method = init_method[name] if isinstance(init_method, Mapping) else init_method
    if isinstance(method, Tensor):
        if tuple(method.shape) != shape:
            raise ValueError(
                f"init_method must hold a tensor of shape {shape} for {name!r}, but its shape was "
                f"{tuple(method.shape)}."
            )
        return method.detach().clone()
    value = torch.empty(shape or 1)
    if method is None:
        nn.init.uniform_(value, 0.0, 2 * math.pi)
    else:
        method(value)
    return value if shape else value[0]
