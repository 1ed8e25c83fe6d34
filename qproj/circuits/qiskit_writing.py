"""Circuits as Qiskit's, with inputs and weights as parameters, or with any angles.

Qiskit's first qubit is the last letter of a label and the least significant bit of an index. Here it is wire
0, whose letter is named by its wire, so nothing has to be turned around but matrices and labels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.parameters import Constant, InputSlot, Parameter
from qproj.circuits.qasm_writing import STANDARD
from qproj.circuits.qiskit_observables import of_outputs
from qproj.circuits.rewriting import Phase, ladder, rewritten

# Methods of a `QuantumCircuit`, which take an angle, if any, and then qubits, in the order that we have.
METHODS = STANDARD | {
    "ISWAP": "iswap", "ECR": "ecr", "IsingXX": "rxx", "IsingYY": "ryy", "IsingZZ": "rzz", "CCZ": "ccz",
}  # fmt: skip
GATES = frozenset({*METHODS, "MultiRZ", "QubitUnitary"})


class QiskitCircuit(NamedTuple):
    """A circuit as Qiskit has it; `EstimatorQNN(**found._asdict())` takes it.

    Attributes:
        circuit: A `QuantumCircuit` without measurements.
        input_params: Its parameters that are inputs, in the order of their columns.
        weight_params: Those that are weights, flattened.
        observables: A `SparsePauliOp` for each output; of a state or a fidelity, none.
    """

    circuit: Any
    input_params: list[Any]
    weight_params: list[Any]
    observables: list[Any]


def write(circuit: Circuit) -> QiskitCircuit:
    """See `Circuit.to_qiskit`."""
    from qiskit.circuit import ParameterVector, QuantumCircuit

    if circuit.amplitudes:
        raise ValueError(
            "circuit must start in |0...0> in Qiskit, whose parameters are angles, but its inputs are the "
            "amplitudes of another state. Run it with backend='qiskit:aer', which prepares them."
        )
    x, w = ParameterVector("x", circuit.n_inputs), ParameterVector("w", math.prod(circuit.weight_shape))

    def expression(angle: Parameter | None) -> Any:
        if angle is None or isinstance(angle, Constant):
            return None if angle is None else angle.value
        symbol = (x if isinstance(angle, InputSlot) else w)[angle.index]
        if isinstance(angle, InputSlot) and angle.times is not None:
            symbol = symbol * x[angle.times]
        return symbol if angle.scale == 1 else angle.scale * symbol

    made = QuantumCircuit(circuit.n_qubits)
    for part in rewritten(circuit.gates, GATES, "in Qiskit"):
        if isinstance(part, Phase):
            made.global_phase += expression(part.angle)
        else:
            append(made, part, expression(part.angle))
    return QiskitCircuit(made, list(x), list(w), of_outputs(circuit))


def append(circuit: Any, gate: Gate, angle: Any) -> None:
    """Append a gate to a circuit of Qiskit's.

    Args:
        circuit: A `QuantumCircuit`.
        gate: One of `GATES`.
        angle: A number, or an expression of Qiskit's; `None` where it has none.
    """
    if gate.name == "QubitUnitary":
        circuit.unitary(np.array(gate.matrix), gate.wires[::-1])
    elif gate.name == "MultiRZ":
        for part in ladder(gate):
            append(circuit, part, None if part.parameter is None else angle)
    else:
        getattr(circuit, METHODS[gate.name])(*([] if angle is None else [angle]), *gate.wires)
