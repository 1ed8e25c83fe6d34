"""The layer in torch: `qproj.QuantumLayer`, with Keras's weights in place of its own."""

from __future__ import annotations

import functools

import torch
from torch.func import functional_call

from qproj.circuits.circuit import Circuit
from qproj.layers import QuantumLayer
from qproj.planning.strategies import DiffMethod, Strategy


def run(
    circuit: Circuit,
    diff_method: DiffMethod,
    strategy: Strategy,
    inputs: torch.Tensor,
    angles: torch.Tensor,
) -> torch.Tensor:
    """See `qproj.keras.QuantumLayer.call`."""
    layer = _layer(circuit, diff_method, strategy)
    values: torch.Tensor = functional_call(layer, {"weights": angles}, (inputs,))
    return values


@functools.lru_cache(maxsize=64)
def _layer(circuit: Circuit, diff_method: DiffMethod, strategy: Strategy) -> QuantumLayer:
    unused = torch.Generator()  # so that its weights take no numbers from torch's own
    return QuantumLayer(circuit=circuit, diff_method=diff_method, strategy=strategy, generator=unused)
