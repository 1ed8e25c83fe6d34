"""Qulacs: one state, a parametric circuit whose angles are set anew, forward only, double precision.

https://docs.qulacs.org/en/latest/guide/2.0_python_advanced.html: `ParametricQuantumCircuit`, a state that is
reused, and `get_zero_probability`, which reads half the state where an observable reads all of it twice.
"""

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    import qulacs

    made = qulacs.ParametricQuantumCircuit(circuit.n_qubits)
    state = qulacs.QuantumState(circuit.n_qubits)
    # Of each parametric gate, in order: which column of (inputs, weights) is its angle.
    columns: list[int] = []
    for gate in circuit.gates:
        match gate.parameter:
            case InputSlot(index):
                columns.append(index)
            case WeightSlot(index):
                columns.append(circuit.n_inputs + index)
            case _:
                made.add_CNOT_gate(*gate.wires)
                continue
        getattr(made, f"add_parametric_{gate.name}_gate")(gate.wires[0], 0.0)
    wires = [word.wires[0] for word in circuit.words]

    def step(x: Tensor) -> Tensor:
        fixed = weights.detach().reshape(1, -1).expand(len(x), -1)
        # Its rotations are exp(+i t P / 2).
        angles = -torch.cat([x.detach(), fixed], 1).double().numpy()[:, columns]
        values = np.empty((len(x), len(wires)))
        for row, out in zip(angles, values, strict=True):
            for i, angle in enumerate(row):
                made.set_parameter(i, angle)
            state.set_zero_state()
            made.update_quantum_state(state)
            out[:] = [2 * state.get_zero_probability(wire) - 1 for wire in wires]
        return torch.from_numpy(values).to(x.dtype)

    return step
