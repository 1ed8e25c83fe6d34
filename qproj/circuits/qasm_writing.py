"""Circuits as OpenQASM 3, with inputs and weights as free parameters.

Cross et al., "OpenQASM 3: A broader and deeper quantum assembly language" (2022), arXiv:2104.14722.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate, lower
from qproj.circuits.parameters import Constant, InputSlot, Parameter, WeightSlot
from qproj.circuits.rewriting import Phase, ladder, rewritten
from qproj.circuits.synthesis import Matrix

# What `stdgates.inc` calls the gates that it defines.
STANDARD = {
    "RX": "rx", "RY": "ry", "RZ": "rz", "PhaseShift": "p", "Hadamard": "h", "PauliX": "x", "PauliY": "y",
    "PauliZ": "z", "S": "s", "T": "t", "SX": "sx", "CNOT": "cx", "CY": "cy", "CZ": "cz", "CH": "ch",
    "SWAP": "swap", "CRX": "crx", "CRY": "cry", "CRZ": "crz", "ControlledPhaseShift": "cp", "Toffoli": "ccx",
    "CSWAP": "cswap",
}  # fmt: skip
# What is written as several of them.
_PRODUCTS = ("IsingZZ", "MultiRZ", "QubitUnitary")


def write(circuit: Circuit) -> str:
    """See `Circuit.to_qasm`."""
    if circuit.amplitudes:
        raise ValueError(
            "circuit must start in |0...0> in OpenQASM, but its inputs are the amplitudes of another state."
        )
    inputs = [f"x{i}" for i in range(circuit.n_inputs)]
    weights = [f"w{i}" for i in range(math.prod(circuit.weight_shape))]
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [f"input float[64] {name};" for name in inputs + weights]
    lines += [f"qubit[{circuit.n_qubits}] q;"]
    for part in rewritten(circuit.gates, (*STANDARD, *_PRODUCTS), "in OpenQASM"):
        lines += _lines(part)
    return "\n".join(lines) + "\n"


def _lines(part: Gate | Phase) -> Iterator[str]:
    if isinstance(part, Phase):
        yield f"gphase({_angle(part.angle)});"
        return
    wires = part.wires
    if part.name in STANDARD:
        angle = "" if part.angle is None else f"({_angle(part.angle)})"
        yield f"{STANDARD[part.name]}{angle} {', '.join(f'q[{wire}]' for wire in wires)};"
    elif part.kind.z_rotation:
        for gate in ladder(part):
            yield from _lines(gate)
    elif len(wires) == 1:
        assert part.matrix is not None
        phase, *turns = _turns(part.matrix)
        for name, turn in zip(("RZ", "RY", "RZ"), turns, strict=True):
            yield from _lines(Gate(name, wires, Constant(turn)))
        yield from _lines(Phase(Constant(phase)))
    else:
        for factor in lower([part]):
            yield from _lines(factor)


def _turns(matrix: Matrix) -> tuple[float, float, float, float]:
    """A unitary on one wire as `exp(1j * phase) RZ(c) RY(b) RZ(a)`: the phase, `a`, `b` and `c`."""
    (one, two), (three, four) = matrix
    phase = cmath.phase(one * four - two * three) / 2
    turn = cmath.exp(-1j * phase)
    both, apart = 2 * cmath.phase(four * turn), 2 * cmath.phase(three * turn)
    return phase, (both - apart) / 2, 2 * math.atan2(abs(three), abs(four)), (both + apart) / 2


def _angle(parameter: Parameter) -> str:
    match parameter:
        case Constant(value):
            return repr(value)
        case InputSlot(index, scale, None):
            symbol = f"x{index}"
        case InputSlot(index, scale, times):
            symbol = f"x{index} * x{times}"
        case WeightSlot(index, scale):
            symbol = f"w{index}"
    return symbol if scale == 1 else f"{scale!r} * {symbol}"
