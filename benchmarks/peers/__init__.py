"""Other simulators behind one small interface, each used as its own documentation recommends for speed.

A peer is one file here with a function `build(circuit, weights) -> step`: `step(x)` takes torch angles
`(batch, n_inputs)` and gives expectation values `(batch, n_outputs)` that torch can differentiate for `x` and
for the weights. It reads the circuit's gate list, and imports what it needs when it is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import Tensor, nn

from qproj import Circuit

Step = Callable[[Tensor], Tensor]

# name -> (module, keyword arguments of its `build`)
PEERS: dict[str, tuple[str, dict[str, object]]] = {
    "qproj": ("benchmarks.peers.own", {}),
    "tensorcircuit-ng": ("benchmarks.peers.tensorcircuit", {}),
    "default.qubit": ("benchmarks.peers.default_qubit", {}),
    "lightning.qubit": ("benchmarks.peers.lightning", {"device_vjp": False}),
    "lightning.qubit, device_vjp": ("benchmarks.peers.lightning", {"device_vjp": True}),
    "deepquantum": ("benchmarks.peers.deep_quantum", {}),
}


def build(name: str, circuit: Circuit, weights: nn.Parameter) -> Step:
    """Make a peer's step.

    Args:
        name: One of `PEERS`.
        circuit: What to run; gates RX, RY, RZ and CNOT, observables `"z"`.
        weights: Trainable, shared by all peers.

    Returns:
        The step.

    Raises:
        ImportError: If the peer is not installed.
    """
    module, options = PEERS[name]
    step: Step = importlib.import_module(module).build(circuit, weights, **options)
    return step
