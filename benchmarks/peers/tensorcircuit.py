"""TensorCircuit-NG on JAX: jit, vmap over the batch, hand-over to torch by DLPack.

https://tensorcircuit-ng.readthedocs.io/en/latest/advance.html (interfaces, vmap, jit).
"""

from typing import Any

import torch
from torch import nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    import tensorcircuit as tc

    backend = tc.set_backend("jax")

    def values(x: Any, w: Any) -> Any:
        c = tc.Circuit(circuit.n_qubits)
        for gate in circuit.gates:
            match gate.parameter:
                case InputSlot(index):
                    getattr(c, gate.name.lower())(*gate.wires, theta=x[index])
                case WeightSlot(index):
                    getattr(c, gate.name.lower())(*gate.wires, theta=w[index])
                case _:
                    getattr(c, gate.name.lower())(*gate.wires)
        return backend.stack([backend.real(c.expectation_ps(z=list(word.wires))) for word in circuit.words])

    batched = backend.vmap(values, vectorized_argnums=0)
    run = tc.interfaces.torch_interface(batched, jit=True, enable_dlpack=True)

    def step(x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = run(x, weights.reshape(-1))
        return result

    return step
