"""How a circuit with noise channels is run: exactly by density matrices, or on average by trajectories."""

from __future__ import annotations

import functools
import math

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import WeightSlot
from qproj.memory import format_bytes, physical_memory
from qproj.planning.blocks import Blocks
from qproj.planning.branches import trajectory_plan
from qproj.planning.cost import Cost, Plan
from qproj.planning.transfer import density_plan

DENSITY_QUBITS = 8  # beyond, trajectories have an error of a percent sooner
TRAJECTORIES = 128  # of each sample, where no number is asked for
# Seconds for one operation of a block, and real additions and multiplications a second: of a product that
# rows share, and of a matrix for each row.
_OPERATION, _SHARED_FLOPS, _ROW_FLOPS = 5e-6, 40e9, 4e9
# Bytes of the states of one micro-batch, and of its blocks' matrices.
_STATES, _MATRICES = 1 << 22, 1 << 24
_CARRIED = 8  # times as many, where the states are only those at the start
# Limits of a single kernel: numbers of the outputs that are carried and of the states of half the wires; and
# blocks.
_KERNEL_NUMBERS, _KERNEL_BLOCKS = 1 << 12, 16
_KEPT = 1 << 20  # bytes of the states of one sample, up to which they are kept for the way back


def noisy_plan(circuit: Circuit, batch: int, itemsize: int, strategy: str, diff_method: str) -> Plan:
    """Choose how to run a circuit with channels; see `qproj.planning.cost.plan`.

    Raises:
        ValueError: If the strategy is for circuits without noise or its state does not fit into memory, or
            the differentiation method is not defined with noise.
    """
    if strategy not in ("auto", "density-matrix", "trajectories"):
        raise ValueError(
            f"strategy must be 'auto', 'density-matrix' or 'trajectories' with noise, but was {strategy!r}."
        )
    if diff_method not in ("best", "backprop", "parameter-shift"):
        raise ValueError(
            "diff_method must be 'best', 'backprop' or 'parameter-shift' with noise, which cannot be walked "
            f"back, but was {diff_method!r}."
        )
    if diff_method == "parameter-shift" and any(isinstance(c.angle, WeightSlot) for c in circuit.channels):
        raise ValueError(
            "diff_method must be 'best' or 'backprop' where a channel's strength is a weight, which has no "
            "shift rule, but was 'parameter-shift'."
        )
    n = circuit.n_qubits
    exact = strategy == "density-matrix" or (strategy == "auto" and n <= DENSITY_QUBITS)
    if exact:
        check_density(n, itemsize)
        carried = carries_outputs(circuit, batch)
        made, size, chosen = density_plan(circuit).blocks, 4**n, "density-matrix"
        rows = circuit.n_outputs if carried else batch
        why = [
            f"density-matrix: exact, and {n} qubits are at most {DENSITY_QUBITS}."
            if strategy == "auto"
            else "strategy='density-matrix' was asked for."
        ]
        if carried:
            why.append(
                f"Its {rows} outputs are carried back to the encoding, once for all samples, since there are "
                "fewer of them."
            )
        kept = keeps_states(circuit)
    elif diff_method == "parameter-shift":
        raise ValueError(
            "diff_method must be 'best' or 'backprop' with trajectories, but was 'parameter-shift': a "
            "trajectory is differentiated by itself. For shifts use strategy='density-matrix'."
        )
    else:
        made, rows, size, chosen = (
            trajectory_plan(circuit).blocks,
            batch * TRAJECTORIES,
            2 ** (n + 1),
            "trajectories",
        )
        why = [
            f"trajectories: {n} qubits are more than the {DENSITY_QUBITS} of density matrices."
            if strategy == "auto"
            else "strategy='trajectories' was asked for.",
            f"Of {TRAJECTORIES} random circuits for each sample, unless "
            "backend_options={'trajectories': ...} says otherwise, the mean is taken: values are unbiased "
            "estimates, the same for the same seed.",
            "Gradients are those of that mean, unbiased too: what is drawn depends on no angle.",
        ]
        kept = False
    method = "parameter-shift" if diff_method == "parameter-shift" else "backprop"
    why.append(
        "parameter-shift was asked for."
        if method == "parameter-shift"
        else "backprop: states are kept for the way back."
        if kept
        else "backprop: states are computed again for the way back, since they would not fit the cache."
    )
    if exact and method == "backprop" and noisy_kernel(circuit, batch):
        why.append("So small that the CPU runs all of it as a single kernel.")
    cost = _cost(made, chosen, rows, size, itemsize)
    return Plan(circuit, batch, chosen, method, tuple(why), (cost,), made.n_blocks, rows * size * itemsize)


def check_density(n_qubits: int, itemsize: int = 4, limit: int | None = None) -> None:
    """Raise ValueError where the density matrix of one sample does not fit into memory.

    Args:
        n_qubits: Number of qubits.
        itemsize: Bytes of a real number.
        limit: Bytes there are; this machine's memory if `None`.
    """
    limit = physical_memory() if limit is None else limit
    needed = 4 * itemsize * 4**n_qubits  # state and bra, and a second buffer for each
    if limit is not None and needed > limit:
        most = (max(1, limit // (4 * itemsize)).bit_length() - 1) // 2
        raise ValueError(
            f"n_qubits must be at most {most} with strategy 'density-matrix' on this machine, but was "
            f"{n_qubits}: to train on one sample takes {format_bytes(needed)}, and there are "
            f"{format_bytes(limit)} of memory. Use strategy='trajectories'."
        )


@functools.lru_cache(maxsize=256)
def keeps_states(circuit: Circuit) -> bool:
    """Whether the density matrices between all blocks are few enough to be kept for the way back."""
    n_bytes: int = density_plan(circuit).blocks.n_blocks * 4 * 4**circuit.n_qubits
    return n_bytes <= _KEPT


@functools.lru_cache(maxsize=256)
def carries_outputs(circuit: Circuit, batch: int) -> bool:
    """Whether density matrices are left at the start, and outputs carried back to them.

    That takes blocks that all samples share, and pays where there are fewer outputs than samples.
    """
    shared = not any(segment.per_row for segment in density_plan(circuit).blocks.segments)
    return shared and circuit.n_outputs < batch


@functools.lru_cache(maxsize=256)
def noisy_kernel(circuit: Circuit, batch: int) -> bool:
    """Whether XLA should make a single kernel of all operations; see `qproj.planning.cost.one_kernel`."""
    found = density_plan(circuit).blocks
    return (
        carries_outputs(circuit, batch)
        and circuit.n_outputs * 4**circuit.n_qubits <= _KERNEL_NUMBERS
        and batch * 2**circuit.n_qubits <= _KERNEL_NUMBERS
        and found.n_blocks <= _KERNEL_BLOCKS
    )


@functools.lru_cache(maxsize=256)
def noisy_microbatch(circuit: Circuit, batch: int, itemsize: int, strategy: str) -> int:
    """Rows in a micro-batch: a divisor of a batch of a bucket's size."""
    n, matrices = circuit.n_qubits, 0
    state: int
    if strategy == "density-matrix":
        state = itemsize * 4**n
        found = density_plan(circuit).blocks
    else:
        state = itemsize * 2 ** (n + 1)
        found = trajectory_plan(circuit).blocks
    for segment in found.segments:
        if segment.per_row:
            matrices += segment.table.entry.size * segment.table.library[0, 0].size * itemsize
    # Where outputs are carried, each micro-batch does all of that again.
    carried = strategy == "density-matrix" and carries_outputs(circuit, batch)
    most: int = max(1, min(_STATES * (_CARRIED if carried else 1) // state, _MATRICES // max(1, matrices)))
    return math.ceil(batch / math.ceil(batch / (1 << (most.bit_length() - 1))))


def _cost(made: Blocks, strategy: str, rows: int, size: int, itemsize: int) -> Cost:
    flops = moved = seconds = 0.0
    operations = 4
    for segment in made.segments:
        n_blocks, m = len(segment.table.entry), segment.table.library.shape[-1]
        work = 2.0 * n_blocks * m * size * rows
        operations += 2 * n_blocks + segment.table.entry.shape[1]
        flops += work
        moved += 4.0 * n_blocks * size * rows * itemsize
        seconds += work / (_ROW_FLOPS if segment.per_row else _SHARED_FLOPS)
    return Cost(strategy, (2,), made.n_blocks, flops, moved, operations, seconds + operations * _OPERATION)
