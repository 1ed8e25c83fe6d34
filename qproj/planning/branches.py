"""Quantum trajectories: a noisy circuit as random circuits, each with one branch of every channel.

A channel `rho -> sum_k K_k rho K_k^dagger` is the mean of `K_k rho K_k^dagger / q_k` where `k` is drawn with
any probabilities `q_k` above 0. Here `q_k` is that of branch `k` in the maximally mixed state, which depends
on neither the state nor an angle. So the mean of many trajectories has no bias, and neither has the mean of
their derivatives. For random unitaries, such as Pauli errors, `q_k` are their probabilities, and states keep
their norm; other branches weight a state by its norm. Dalibard, Castin and Molmer, "Wave-function approach to
dissipative processes in quantum optics" (1992), doi:10.1103/PhysRevLett.68.580, draw by the state instead,
which would leave a term out of the derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, WeightSlot, times
from qproj.circuits.rewriting import kraus
from qproj.planning.blocks import Blocks, Digits, blocks, reordering
from qproj.planning.fusion import Complexes, Floats
from qproj.planning.permutations import Permutation
from qproj.planning.pieces import pieces
from qproj.planning.tables import Factor
from qproj.planning.transfer import spread

# A bit for real and imaginary parts is in front of the wires'.
DIGITS = Digits(front=1, per_wire=1)


@dataclass(frozen=True, eq=False)
class TrajectoryPlan:
    """A noisy circuit for trajectories.

    Attributes:
        blocks: Its blocks.
        forth: What brings the final state to the order of the wires.
        back: What undoes it.
    """

    blocks: Blocks
    forth: Permutation
    back: Permutation


# Asked for by the planner, for micro-batches, and by the program.
@functools.lru_cache(maxsize=64)
def trajectory_plan(circuit: Circuit) -> TrajectoryPlan:
    """Plan a circuit for trajectories."""
    factors = [factor for gate in _numbered(circuit) for factor in gate]
    made = blocks(circuit.n_qubits, factors, DIGITS, _embedded, apart=False)
    wires = range(circuit.n_qubits)
    return TrajectoryPlan(made, reordering(made.order, wires, DIGITS), reordering(wires, made.order, DIGITS))


def operators(channel: Gate) -> Complexes:
    """Kraus operators of a channel in a circuit, those of its branches that can be drawn.

    Raises:
        ValueError: If its strength is a weight.
    """
    if isinstance(channel.angle, WeightSlot):
        raise ValueError(
            f"strength of {channel.name} must be constant where noise is run as trajectories, but is weight "
            f"{channel.angle.index}: a branch is drawn, which has no derivative. Use "
            "strategy='density-matrix'."
        )
    branches = channel.kind.branches
    assert branches is not None
    if channel.matrix is not None:
        return kraus(branches, *map(np.array, channel.matrix))
    assert isinstance(channel.angle, Constant)
    return kraus(branches, channel.angle.value)


def probabilities(kraus_operators: Complexes) -> Floats:
    """Of drawing each branch: `trace(K^dagger K) / d`."""
    squares = (np.abs(kraus_operators) ** 2).sum(axis=(1, 2))
    found: Floats = squares / squares.sum()
    return found


def draw(circuit: Circuit, seeds: Iterable[int], each: int) -> Floats:
    """Draw a branch of each channel, for several trajectories of each row.

    Args:
        circuit: The circuit.
        seeds: Of the rows' generators.
        each: Trajectories of a row.

    Returns:
        Numbers of branches, `(rows, each, n_channels)`.
    """
    seeds, bounds = list(seeds), _bounds(circuit)
    drawn = np.empty((len(seeds), each, len(bounds)))
    for row, own in enumerate(seeds):
        points = np.random.default_rng(int(own)).random((each, len(bounds)))
        drawn[row] = (points[..., None] >= bounds).sum(axis=-1)
    return drawn


@functools.lru_cache(maxsize=256)
def _bounds(circuit: Circuit) -> Floats:
    """Where in (0, 1) the branches of each channel end, `(n_channels, n)`: all but the last, then ones."""
    ends = [np.cumsum(probabilities(operators(channel)))[:-1] for channel in circuit.channels]
    bounds = np.ones((len(ends), max(map(len, ends), default=0)))
    for row, of_channel in zip(bounds, ends, strict=True):
        row[: len(of_channel)] = of_channel
    return bounds


def _numbered(circuit: Circuit) -> Iterator[Iterator[Factor]]:
    drawn = 0
    for gate in circuit.plain_gates:
        if gate.is_channel:
            found = operators(gate)
            parts = found / np.sqrt(probabilities(found))[:, None, None]
            yield iter([Factor(gate.wires, parts, "drawn", drawn=drawn)])
            drawn += 1
        else:
            yield _factors(gate)


def _factors(gate: Gate) -> Iterator[Factor]:
    for piece in pieces(gate):
        if piece.matrix is not None:
            yield Factor(piece.wires, piece.matrix[None])
        else:
            assert piece.generator is not None
            assert piece.angle is not None
            g = piece.generator
            parts = np.array([np.zeros_like(g), np.eye(len(g)), -1j * g])
            yield Factor(piece.wires, parts, "rotation", times(piece.angle, 0.5))


def _embedded(factor: Factor, wires: tuple[int, ...]) -> Factor:
    """On more wires, and on real pairs."""
    whole = spread(factor.parts, factor.wires, wires, 2)
    real = np.block([[whole.real, -whole.imag], [whole.imag, whole.real]])
    return replace(factor, wires=wires, parts=real)
