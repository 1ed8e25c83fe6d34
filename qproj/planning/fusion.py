"""From a gate list to layers that are each run in a few passes over the state. Pure Python and NumPy.

A layer is one-qubit gates on any wires, then rotations about Z words, then gates that permute basis states.
All one-qubit gates of a layer on one wire fuse into a single 2 x 2 matrix, those of neighbouring wires into
one block, all Z rotations into a single diagonal, and all permutations into a single gather.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot, Parameter, WeightSlot, lower
from qproj.planning.permutations import Permutation, compose

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Complexes = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Angles:
    """Many angles: `constant + weight_scale * weights[weight_index] + input_scale * inputs[input_index]`.

    All arrays have the same shape; constants in radians; a scale is zero where there is no such part.

    Attributes:
        weight_rest, input_rest: What single precision leaves of a scale.
        has_weights: Whether any depends on the weights.
        per_sample: Whether any depends on the inputs, so that each sample has its own.
        rounds: Whether a scale is no power of two, so that a product with it is rounded.
    """

    constant: Floats
    weight_index: Ints
    weight_scale: Floats
    weight_rest: Floats
    input_index: Ints
    input_scale: Floats
    input_rest: Floats
    has_weights: bool
    per_sample: bool
    rounds: bool

    @classmethod
    def of(cls, shape: tuple[int, ...], parameters: Mapping[tuple[int, ...], Parameter | None]) -> Self:
        """Angles of parameters by their place; zero elsewhere."""
        constant, weight_scale, input_scale = (np.zeros(shape) for _ in range(3))
        weight_index, input_index = (np.zeros(shape, np.int32) for _ in range(2))
        for at, parameter in parameters.items():
            match parameter:
                case Constant(value):
                    constant[at] = math.remainder(value, 4 * math.pi)  # before it is rounded
                case WeightSlot(index, scale):
                    weight_index[at], weight_scale[at] = index, scale
                case InputSlot(index, scale):
                    input_index[at], input_scale[at] = index, scale
        return cls(
            constant, weight_index, weight_scale, rest_of(weight_scale), input_index, input_scale,
            rest_of(input_scale), bool(weight_scale.any()), bool(input_scale.any()),
            rounds=bool((np.abs(np.frexp([weight_scale, input_scale])[0]) % 0.5).any()),
        )  # fmt: skip

    @property
    def kind(self) -> tuple[bool, bool, bool]:
        """What is known when a program is compiled."""
        return self.has_weights, self.per_sample, self.rounds

    def at(self, depths: slice) -> Self:
        """Those at some places of the first dimension."""
        weight_scale, input_scale = self.weight_scale[depths], self.input_scale[depths]
        return replace(
            self,
            constant=self.constant[depths],
            weight_index=self.weight_index[depths],
            weight_scale=weight_scale,
            weight_rest=self.weight_rest[depths],
            input_index=self.input_index[depths],
            input_scale=input_scale,
            input_rest=self.input_rest[depths],
            has_weights=bool(weight_scale.any()),
            per_sample=bool(input_scale.any()),
        )


@dataclass(frozen=True)
class Local:
    """The one-qubit gates of a layer as arrays, so that all their matrices are built at once.

    Entry `(k, wire)` is the `k`-th gate on that wire, padded with identities:
    `cos(t / 2) * fixed - 1j * sin(t / 2) * generator`.

    Attributes:
        fixed: Complex `(depth, n_qubits, 2, 2)`: the identity for rotations, the matrix of fixed gates.
        generator: Complex `(depth, n_qubits, 2, 2)`: zero for fixed gates.
        angles: `t`, `(depth, n_qubits)`.
    """

    fixed: Complexes
    generator: Complexes
    angles: Angles

    def entered(self) -> tuple[Local | None, Local | None]:
        """The gates up to the last that depends on the inputs, and those after it, which samples share."""
        by_inputs, _ = self.angles.input_scale.nonzero()
        depth = int(by_inputs.max(initial=-1)) + 1
        parts = (self._at(slice(depth)), self._at(slice(depth, None)))
        return parts[0] if depth else None, parts[1] if depth < len(self.fixed) else None

    def _at(self, depths: slice) -> Local:
        return Local(self.fixed[depths], self.generator[depths], self.angles.at(depths))


@dataclass(frozen=True)
class Diagonal:
    """Rotations `exp(-i t Z...Z / 2)`, which commute and are one diagonal together.

    Attributes:
        masks: Int `(n_words,)`: the wires of each word, as bits of a basis state's index.
        angles: `t`, `(n_words,)`.
    """

    masks: Ints
    angles: Angles


@dataclass(frozen=True)
class Layer:
    """One-qubit gates, then Z rotations, then a permutation of basis states; each may be missing.

    Attributes:
        local: One-qubit gates.
        diagonal: Z rotations.
        permutation: The permutation of basis states.
        inverse: The inverse permutation.
    """

    local: Local | None
    diagonal: Diagonal | None
    permutation: Permutation | None
    inverse: Permutation | None

    @property
    def kind(self) -> object:
        """Equal for layers whose arrays are of equal shapes, which can be stacked."""
        local, diagonal, permutation = self.local, self.diagonal, self.permutation
        return (
            local and (local.fixed.shape, local.angles.kind),
            diagonal and (diagonal.masks.shape, diagonal.angles.kind),
            permutation and (permutation.high.shape, permutation.low.shape),
        )


def layers(circuit: Circuit) -> tuple[Layer, ...]:
    """Group the gates of a circuit into layers.

    A gate goes into the first layer that its wires allow, so gates that share no wire do not wait for each
    other. Rotations by an input are cheap where they prepare a product state, in the one-qubit gates of the
    first layer. Anywhere else each sample would need its own matrices, so there they become Z rotations
    between two fixed changes of basis.

    Args:
        circuit: The circuit.

    Returns:
        At least one layer.
    """
    if circuit.channels:
        raise ValueError(
            "circuit must be free of noise where states are wanted, but has channels, such as "
            f"{circuit.channels[0]}."
        )
    placement = _Placement(circuit.n_qubits, prepared=circuit.amplitudes)
    for gate in lower(circuit.plain_gates):
        placement.add(gate)
    return tuple(_layer(circuit.n_qubits, *stages) for stages in placement.layers)


@dataclass(frozen=True)
class _Turn:
    """A one-qubit gate: a fixed matrix, or a rotation about a generator."""

    wire: int
    fixed: npt.ArrayLike
    generator: npt.ArrayLike = ((0, 0), (0, 0))
    parameter: Parameter | None = None


@dataclass(frozen=True)
class _ZWord:
    """A rotation about Z on each of its wires."""

    wires: tuple[int, ...]
    parameter: Parameter | None


_LOCAL, _DIAGONAL, _PERMUTATION = range(3)


class _Placement:
    """Puts gates into the first layer and stage that is free for them.

    Args:
        n_qubits: Number of wires.
        prepared: Whether the inputs are the state to start from, so that the first layer prepares none.
    """

    def __init__(self, n_qubits: int, *, prepared: bool) -> None:
        self.layers: list[tuple[list[_Turn], list[_ZWord], list[Gate]]] = []
        self._prepared = prepared
        self._at = [(0, _LOCAL)] * n_qubits  # layer and stage of the last gate on each wire

    def add(self, gate: Gate) -> None:
        """Place a gate."""
        kind, (wire, *_) = gate.kind, gate.wires
        if kind.permutation is not None:
            self._stage(gate.wires, _PERMUTATION)[2].append(gate)
        elif kind.z_rotation:
            self._stage(gate.wires, _DIAGONAL)[1].append(_ZWord(gate.wires, gate.angle))
        elif gate.unitary is not None:
            self._stage(gate.wires, _LOCAL)[0].append(_Turn(wire, gate.unitary))
        elif isinstance(gate.angle, InputSlot) and (self._prepared or self._at[wire] != (0, _LOCAL)):
            _, basis = np.linalg.eigh(
                -np.array(kind.generator)
            )  # eigenvalue 1 of the generator first, as in Z
            self._stage(gate.wires, _LOCAL)[0].append(_Turn(wire, basis.conj().T))
            self._stage(gate.wires, _DIAGONAL)[1].append(_ZWord(gate.wires, gate.angle))
            self._stage(gate.wires, _LOCAL)[0].append(_Turn(wire, basis))
        else:
            assert kind.generator is not None
            turn = _Turn(wire, np.eye(2), kind.generator, gate.angle)
            self._stage(gate.wires, _LOCAL)[0].append(turn)

    def _stage(self, wires: tuple[int, ...], wanted: int) -> tuple[list[_Turn], list[_ZWord], list[Gate]]:
        layer, stage = max(self._at[wire] for wire in wires)
        layer += stage > wanted
        while layer >= len(self.layers):
            self.layers.append(([], [], []))
        for wire in wires:
            self._at[wire] = (layer, wanted)
        return self.layers[layer]


def _layer(n_qubits: int, turns: list[_Turn], words: list[_ZWord], permutations: list[Gate]) -> Layer:
    return Layer(
        local=_local(n_qubits, turns) if turns else None,
        diagonal=_diagonal(n_qubits, words) if words else None,
        permutation=compose(n_qubits, permutations) if permutations else None,
        inverse=compose(n_qubits, permutations, inverse=True) if permutations else None,
    )


def _local(n_qubits: int, turns: Sequence[_Turn]) -> Local:
    columns = [[turn for turn in turns if turn.wire == wire] for wire in range(n_qubits)]
    shape = (max(1, *map(len, columns)), n_qubits)
    fixed = np.broadcast_to(np.eye(2, dtype=np.complex128), (*shape, 2, 2)).copy()
    generator = np.zeros((*shape, 2, 2), np.complex128)
    places = {(k, wire): turn for wire, column in enumerate(columns) for k, turn in enumerate(column)}
    for at, turn in places.items():
        fixed[at], generator[at] = turn.fixed, turn.generator
    angles = Angles.of(shape, {at: turn.parameter for at, turn in places.items()})
    return Local(fixed, generator, angles)


def _diagonal(n_qubits: int, words: Sequence[_ZWord]) -> Diagonal:
    masks = [sum(1 << (n_qubits - 1 - wire) for wire in word.wires) for word in words]
    angles = Angles.of((len(words),), {(i,): word.parameter for i, word in enumerate(words)})
    return Diagonal(np.array(masks, np.int32), angles)


def rest_of(scale: Floats) -> Floats:
    """What single precision leaves of numbers."""
    return scale - scale.astype(np.float32)


def blocks(n_qubits: int, largest: int) -> tuple[int, ...]:
    """Split the wires, in order, into the fewest blocks of at most `largest`, as even as can be."""
    count = -(-n_qubits // largest)
    return tuple((n_qubits + i) // count for i in reversed(range(count)))
