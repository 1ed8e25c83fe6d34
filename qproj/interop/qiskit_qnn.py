"""Qiskit Machine Learning's networks as quantum layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Probs
from qproj.layers import QuantumLayer


def from_qnn(qnn: Any, **options: Any) -> QuantumLayer:
    """Make a quantum layer of an `EstimatorQNN` or a `SamplerQNN` of Qiskit Machine Learning.

    Its primitive, gradient and pass manager do not matter: the layer is exact, and has gradients for inputs
    and weights, unless `options` say otherwise.

    Args:
        qnn: The network, or a `TorchConnector`, whose weights the layer then has.
        options: As for `QuantumLayer`: `diff_method`, `strategy`, `backend`, `shots`, `seed`, `noise`,
            `backend_options`, `generator`.

    Returns:
        The layer, from `(..., n_inputs)` to `(..., *qnn.output_shape)`.

    Raises:
        TypeError: If it is neither.
        ValueError: If its circuit cannot be expressed; see `Circuit.from_qiskit`.
    """
    weights = None
    if hasattr(qnn, "neural_network"):
        qnn, weights = qnn.neural_network, qnn.weight.detach()
    kind = type(qnn).__name__
    if not (hasattr(qnn, "circuit") and (hasattr(qnn, "observables") or hasattr(qnn, "interpret"))):
        raise TypeError(f"qnn must be an EstimatorQNN or a SamplerQNN, but was {qnn!r} ({kind}).")
    params = list(qnn.input_params or ()), list(qnn.weight_params or ())
    if hasattr(qnn, "observables"):
        return QnnLayer(
            Circuit.from_qiskit(qnn.circuit, *params, qnn.observables), params, weights, None, **options
        )
    bare = qnn.circuit.remove_final_measurements(inplace=False) if qnn.circuit.clbits else qnn.circuit
    wires = tuple(reversed(range(bare.num_qubits)))  # the last qubit is the most significant bit
    circuit = Circuit.from_qiskit(bare, *params, (Probs(wires),))
    places = [
        np.ravel_multi_index(_index(qnn.interpret(i)), qnn.output_shape) for i in range(2 ** len(wires))
    ]
    mapping = torch.tensor(np.array(places)), tuple(qnn.output_shape)
    return QnnLayer(circuit, params, weights, mapping, **options)


class QnnLayer(QuantumLayer):
    """A circuit that was a network's, with outputs summed as its `interpret` has them; made by `from_qnn`.

    Args:
        circuit: The circuit.
        params: The network's inputs and weights.
        weights: First values of the latter, drawn if `None`.
        mapping: Where among the flattened outputs each value goes, and their shape; `None` for as they are.
        options: As for `QuantumLayer`.
    """

    def __init__(self, circuit: Circuit, params: Any, weights: Any, mapping: Any, **options: Any) -> None:
        super().__init__(circuit=circuit, **options)
        self._width, self._shape = len(params[0]), None if mapping is None else mapping[1]
        self.register_buffer("_places", None if mapping is None else mapping[0], persistent=False)
        if weights is not None:
            with torch.no_grad():
                # The circuit reaches up to the last weight that it uses.
                self.weights.copy_(weights.flatten()[: self.weights.numel()])

    def forward(self, x: Tensor) -> Tensor:
        """Run the circuit.

        Args:
            x: `(..., n_inputs)`, those of the network.

        Returns:
            `(..., *output_shape)`, in the dtype of `x`.

        Raises:
            TypeError: As `QuantumLayer.forward`.
            ValueError: As `QuantumLayer.forward`.
        """
        if x.shape[-1:] != (self._width,):
            raise ValueError(f"x must have shape (..., {self._width}), but had shape {tuple(x.shape)}.")
        values = super().forward(x[..., : self.circuit.n_inputs])
        if self._shape is None:
            return values
        size = int(np.prod(self._shape))
        summed = values.new_zeros(*values.shape[:-1], size).index_add(-1, self._places, values)  # type: ignore[arg-type]
        return summed.reshape(*values.shape[:-1], *self._shape)


def _index(found: int | Iterable[int]) -> tuple[int, ...]:
    return tuple(found) if isinstance(found, Iterable) else (int(found),)
