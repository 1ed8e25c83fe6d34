"""Circuits as Cirq's, with inputs and weights as sympy symbols, or with any angles."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.parameters import Constant, InputSlot, Parameter
from qproj.circuits.rewriting import Phase, ladder, rewritten

# Powers: Cirq's class, and its global shift. `exponent=t` turns by `pi * t`.
_POWERS = {
    "RX": ("XPowGate", -0.5), "RY": ("YPowGate", -0.5), "RZ": ("ZPowGate", -0.5),
    "PhaseShift": ("ZPowGate", 0.0), "ControlledPhaseShift": ("CZPowGate", 0.0),
    "IsingXX": ("XXPowGate", -0.5), "IsingYY": ("YYPowGate", -0.5), "IsingZZ": ("ZZPowGate", -0.5),
    "IsingXY": ("ISwapPowGate", 0.0),
}  # fmt: skip
_FIXED = {
    "Hadamard": "H", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "S": "S", "T": "T", "CNOT": "CNOT",
    "CZ": "CZ", "SWAP": "SWAP", "ISWAP": "ISWAP", "SISWAP": "SQRT_ISWAP", "Toffoli": "CCX", "CCZ": "CCZ",
    "CSWAP": "CSWAP",
}  # fmt: skip
_CONTROLLED = {"CRX": "RX", "CRY": "RY", "CRZ": "RZ", "CY": "PauliY", "CH": "Hadamard"}
_CHANNELS = {
    "DepolarizingChannel": "depolarize", "AmplitudeDamping": "amplitude_damp", "PhaseDamping": "phase_damp",
    "BitFlip": "bit_flip", "PhaseFlip": "phase_flip",
}  # fmt: skip

# What Cirq has, or what is written as several of its gates.
GATES = frozenset({*_POWERS, *_FIXED, *_CONTROLLED, "SX", "MultiRZ", "QubitUnitary"})
CHANNELS = frozenset({*_CHANNELS, "QubitChannel"})


def write(circuit: Circuit, qubits: Sequence[Any] | None) -> Any:
    """See `Circuit.to_cirq`."""
    import cirq

    if circuit.amplitudes:
        raise ValueError(
            "circuit must start in |0...0> in Cirq, but its inputs are the amplitudes of another state. Give "
            "them to the simulator as initial_state."
        )
    on = cirq.LineQubit.range(circuit.n_qubits) if qubits is None else list(qubits)
    if len(on) != circuit.n_qubits or len(set(on)) != len(on):
        raise ValueError(f"qubits must be {circuit.n_qubits} different qubits, but were {on}.")
    made = cirq.Circuit()
    for part in rewritten(circuit.gates, GATES | CHANNELS, "in Cirq"):
        if isinstance(part, Phase):
            made.append(_phase(_symbolic(part.angle)))
        else:
            angle = None if part.angle is None else _symbolic(part.angle)
            made.append(operations(part, angle, on))
    # A circuit of Cirq's has the qubits that something acts on.
    made.append(cirq.I(qubit) for qubit in on if qubit not in made.all_qubits())
    return made


def operations(gate: Gate, angle: Any, qubits: Sequence[Any]) -> Iterator[Any]:
    """A gate as operations of Cirq's.

    Args:
        gate: One of `GATES` or `CHANNELS`.
        angle: Its angle or strength: a number, or an expression of sympy's.
        qubits: The qubit for each wire.
    """
    if gate.name == "MultiRZ":
        for part in ladder(gate):
            yield from operations(part, None if part.parameter is None else angle, qubits)
    else:
        yield _made(gate, angle)(*(qubits[wire] for wire in gate.wires))


def _made(gate: Gate, angle: Any) -> Any:
    import cirq

    name = gate.name
    if name in _POWERS:
        kind, shift = _POWERS[name]
        return getattr(cirq, kind)(exponent=angle / math.pi, global_shift=shift)
    if name in _FIXED:
        return getattr(cirq, _FIXED[name])
    if name in _CONTROLLED:
        inner = Gate(_CONTROLLED[name], gate.wires[1:], gate.parameter)
        return _made(inner, angle).controlled()
    if name in _CHANNELS:
        if not isinstance(angle, float):
            raise ValueError(f"strengths must be constant in Cirq, but that of {gate} was not.")
        return getattr(cirq, _CHANNELS[name])(angle)
    if name == "SX":
        return cirq.X**0.5
    matrix: Any = gate.matrix
    if name == "QubitUnitary":
        return cirq.MatrixGate(np.array(matrix))
    return cirq.KrausChannel([np.array(operator) for operator in matrix])


def _symbolic(parameter: Parameter) -> Any:
    import sympy

    if isinstance(parameter, Constant):
        return parameter.value
    if isinstance(parameter, InputSlot):
        symbol = sympy.Symbol(f"x{parameter.index}")
        if parameter.times is not None:
            symbol = symbol * sympy.Symbol(f"x{parameter.times}")
    else:
        symbol = sympy.Symbol(f"w{parameter.index}")
    return symbol if parameter.scale == 1 else parameter.scale * symbol


def _phase(angle: Any) -> Any:
    import cirq
    import sympy

    if isinstance(angle, float):
        return cirq.global_phase_operation(cmath.exp(1j * angle))
    return cirq.GlobalPhaseGate(sympy.exp(sympy.I * angle))()
