"""The layer of this package, with its defaults."""

from torch import nn

from benchmarks.peers import Step
from qproj import Circuit, QuantumLayer


def build(circuit: Circuit, weights: nn.Parameter, **options: object) -> Step:
    """See `benchmarks.peers.build`; `options` are those of `QuantumLayer`."""
    layer = QuantumLayer(circuit=circuit, **options)
    layer.weights = weights
    return layer
