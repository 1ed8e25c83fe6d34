"""The circuit: frozen data that every runner reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from qproj.circuits.ansatz import ANSAETZE
from qproj.circuits.drawing import draw
from qproj.circuits.encodings import ENCODINGS
from qproj.circuits.gates import Gate, InputSlot
from qproj.circuits.observables import OBSERVABLES, PauliWord


@dataclass(frozen=True)
class Circuit:
    """An encoding, an ansatz and what is measured after them, on qubits that start in |0...0>.

    Wire 0 is the most significant bit of a basis state's index, as in PennyLane. Equal arguments give equal
    circuits, so a circuit is a key under which compiled programs are found. `print(circuit)` draws it.

    Attributes:
        n_qubits: Number of qubits, at least 1.
        n_layers: Number of ansatz layers, at least 1.
        encoding: How inputs enter: `"angle_x"`, `"angle_y"` or `"angle_z"`.
        ansatz: The trainable part: `"strongly_entangling"` or `"basic_entangler"`.
        observables: `"z"`, `"xyz"`, or Pauli words; always a tuple of Pauli words once built.
        gates: Derived: the gates in the order in which they act.
        n_inputs: Derived: number of input values per sample.
        n_outputs: Derived: number of expectation values per sample.
        weight_shape: Derived: shape of the weights, as PennyLane's template of the ansatz has it.

    Raises:
        ValueError: If a count is below 1, a name is unknown or a wire does not exist.
        TypeError: If a count is not an integer.
    """

    n_qubits: int = 4
    n_layers: int = 3
    encoding: str = "angle_y"
    ansatz: str = "strongly_entangling"
    observables: str | tuple[PauliWord, ...] = "z"
    # All below follows from the five fields above, so equality leaves it out and stays cheap.
    gates: tuple[Gate, ...] = field(init=False, compare=False, repr=False)
    n_inputs: int = field(init=False, compare=False, repr=False)
    n_outputs: int = field(init=False, compare=False, repr=False)
    weight_shape: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_count("n_qubits", self.n_qubits)
        _check_count("n_layers", self.n_layers)
        ansatz = ANSAETZE[self.ansatz](self.n_qubits, self.n_layers)
        gates = ENCODINGS[self.encoding](self.n_qubits) + ansatz.gates
        if isinstance(self.observables, str):
            words = OBSERVABLES[self.observables](self.n_qubits)
        else:
            words = tuple(self.observables)
        _check_wires(self.n_qubits, gates, words)
        slots = [gate.parameter.index for gate in gates if isinstance(gate.parameter, InputSlot)]
        derived = {
            "observables": words,
            "gates": gates,
            "n_inputs": max(slots, default=-1) + 1,
            "n_outputs": len(words),
            "weight_shape": ansatz.weight_shape,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        # Called at every run of a layer: short on purpose, equality does the rest.
        return hash((self.n_qubits, self.n_layers, self.encoding, self.ansatz))

    @property
    def words(self) -> tuple[PauliWord, ...]:
        """`observables`, typed as the Pauli words they are once the circuit is built."""
        assert not isinstance(self.observables, str)
        return self.observables

    def __str__(self) -> str:
        return draw(self.n_qubits, self.gates, self.words)


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, but was {value!r} ({type(value).__name__}).")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, but was {value}.")


def _check_wires(n_qubits: int, gates: tuple[Gate, ...], words: tuple[PauliWord, ...]) -> None:
    if not words:
        raise ValueError("observables must hold at least one Pauli word, but was empty.")
    items: tuple[Gate | PauliWord, ...] = (*gates, *words)
    for item in items:
        if not all(0 <= wire < n_qubits for wire in item.wires):
            raise ValueError(f"wires must be in 0..{n_qubits - 1}, but {item} acts on {item.wires}.")
