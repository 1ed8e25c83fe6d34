"""From a gate list to layers that are each run in one go. Pure Python and NumPy.

A layer is one-qubit gates on any wires, followed by gates that permute basis states. All gates of a layer
on one wire fuse into a single 2 x 2 matrix, all permutations into a single gather.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qproj.circuits.gates import Constant, Gate, InputSlot, WeightSlot

# A block of k wires is one (2*2^k, 2*2^k) real matrix. At 5 the arithmetic per byte is that of a good matrix
# product, and the work still below that of more passes with smaller blocks.
MAX_BLOCK_WIRES = 5


@dataclass(frozen=True)
class GateTable:
    """The one-qubit gates of a layer as arrays, so that all their matrices are built at once.

    Entry `(k, wire)` is the `k`-th gate on that wire, padded with identities:
    `cos(t / 2) * fixed - 1j * sin(t / 2) * generator` with
    `t = constant + weight_scale * weights[weight_index] + input_scale * inputs[input_index]`.

    Attributes:
        fixed: Complex `(depth, n_qubits, 2, 2)`: the identity for rotations, the matrix of fixed gates.
        generator: Complex `(depth, n_qubits, 2, 2)`: zero for fixed gates.
        constant: Float `(depth, n_qubits)`, radians.
        weight_index: Int `(depth, n_qubits)`.
        weight_scale: Float `(depth, n_qubits)`: zero where the gate has no weight.
        input_index: Int `(depth, n_qubits)`.
        input_scale: Float `(depth, n_qubits)`: zero where the gate has no input.
    """

    fixed: npt.NDArray[np.complex128]
    generator: npt.NDArray[np.complex128]
    constant: npt.NDArray[np.float64]
    weight_index: npt.NDArray[np.int32]
    weight_scale: npt.NDArray[np.float64]
    input_index: npt.NDArray[np.int32]
    input_scale: npt.NDArray[np.float64]

    @property
    def per_sample(self) -> bool:
        """Whether any gate depends on the inputs, so that each sample has its own matrices."""
        return bool(self.input_scale.any())

    @property
    def has_weights(self) -> bool:
        """Whether any gate depends on the weights."""
        return bool(self.weight_scale.any())


@dataclass(frozen=True)
class Layer:
    """One-qubit gates, then a permutation of basis states.

    Attributes:
        table: The one-qubit gates; `None` if there are none.
        source: Int `(2**n_qubits,)`: amplitude `i` after the permutation is amplitude `source[i]` before it;
            `None` if nothing moves.
    """

    table: GateTable | None
    source: npt.NDArray[np.int32] | None

    @property
    def inverse_source(self) -> npt.NDArray[np.int32] | None:
        """The gather that undoes `source`."""
        return None if self.source is None else np.argsort(self.source).astype(np.int32)


def plan(n_qubits: int, gates: Sequence[Gate]) -> tuple[Layer, ...]:
    """Group gates into layers, keeping their order.

    Args:
        n_qubits: Number of wires.
        gates: The gates in the order in which they act.

    Returns:
        At least one layer.
    """
    layers: list[Layer] = []
    local: list[list[Gate]] = [[] for _ in range(n_qubits)]
    moves: list[Gate] = []

    def close() -> None:
        table = gate_table(local) if any(local) else None
        layers.append(Layer(table, permutation(n_qubits, moves) if moves else None))

    for gate in gates:
        if gate.kind.permutation is not None:
            moves.append(gate)
            continue
        if moves:
            close()
            local, moves = [[] for _ in range(n_qubits)], []
        local[gate.wires[0]].append(gate)
    close()
    return tuple(layers)


def blocks(n_qubits: int) -> tuple[int, ...]:
    """Split the wires, in order, into the fewest runs of at most `MAX_BLOCK_WIRES`, as even as can be."""
    count = -(-n_qubits // MAX_BLOCK_WIRES)
    return tuple((n_qubits + i) // count for i in reversed(range(count)))


def gate_table(local: Sequence[Sequence[Gate]]) -> GateTable:
    """Write the one-qubit gates of each wire into a `GateTable`."""
    shape = (max(1, max(map(len, local))), len(local))
    table = GateTable(
        fixed=np.broadcast_to(np.eye(2, dtype=np.complex128), (*shape, 2, 2)).copy(),
        generator=np.zeros((*shape, 2, 2), np.complex128),
        constant=np.zeros(shape),
        weight_index=np.zeros(shape, np.int32),
        weight_scale=np.zeros(shape),
        input_index=np.zeros(shape, np.int32),
        input_scale=np.zeros(shape),
    )
    for wire, gates in enumerate(local):
        for k, gate in enumerate(gates):
            at = (k, wire)
            if gate.kind.matrix is not None:
                table.fixed[at] = gate.kind.matrix
                continue
            table.generator[at] = gate.kind.generator
            match gate.parameter:
                case Constant(value):
                    table.constant[at] = value
                case WeightSlot(index, scale):
                    table.weight_index[at], table.weight_scale[at] = index, scale
                case InputSlot(index, scale):
                    table.input_index[at], table.input_scale[at] = index, scale
    return table


def permutation(n_qubits: int, gates: Sequence[Gate]) -> npt.NDArray[np.int32]:
    """Compose permutation gates into one gather: `after[i] = before[source[i]]`."""
    source = np.arange(2**n_qubits)
    for gate in gates:
        assert gate.kind.permutation is not None
        # Wire 0 is the most significant bit, of the state's index and of the gate's own.
        shifts = [n_qubits - 1 - wire for wire in gate.wires]
        index = np.arange(2**n_qubits)
        rest, own = index, np.zeros_like(index)
        for shift in shifts:
            own = own << 1 | index >> shift & 1
            rest = rest & ~(1 << shift)
        came_from = np.argsort(gate.kind.permutation)[own]
        for place, shift in enumerate(reversed(shifts)):
            rest = rest | (came_from >> place & 1) << shift
        source = source[rest]
    return source.astype(np.int32)
