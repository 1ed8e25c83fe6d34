"""The planner: which strategy runs a circuit, by a cost model. NumPy only, nothing is compiled.

The model counts arithmetic, bytes and compiled operations of each strategy; an operation has a fixed cost
beside its work. The constants were measured on two cores of a desktop processor; only their ratios matter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import count
from qproj.memory import format_bytes, memory_budget
from qproj.planning.fusion import Layer, layers
from qproj.planning.schedule import compiled_layers, schedule
from qproj.planning.strategies import NOISY_STRATEGIES, Dense, check_names, parse

# Seconds for one compiled operation; bytes and real operations per second, in single precision.
_OPERATION = 2.5e-6
_BYTES_IN_CACHE, _BYTES, _CACHE = 60e9, 10e9, 1 << 23
# By rows of the real block matrix: a product with few rows does not fill the processor's registers.
_FLOPS = {8: 45e9, 16: 115e9, 32: 115e9, 64: 130e9}
_LARGE_FLOPS = 90e9
_ENTRY = 4e-9  # seconds to build one entry of a block matrix
# Building the matrix of all layers: a fixed time, and a rate, since it is many small steps.
_DENSE_SECONDS = 25e-6
_DENSE_FLOPS = 50e9
_DENSE_QUBITS = 8  # beyond these, building it costs more than it saves
# Limits of "jacobian": samples, and amplitudes of all bras. Below, it costs less than a second call.
_JACOBIAN_BATCH, _JACOBIAN_AMPLITUDES = 8, 1 << 11
# Limits of a single kernel: it runs in one thread, without fast products, and compiles slowly.
_KERNEL_AMPLITUDES, _KERNEL_LAYERS = 1 << 11, 12
# Bytes of the states of one micro-batch.
_MICROBATCH_BYTES = 1 << 22


@dataclass(frozen=True)
class Cost:
    """What a strategy does in one forward pass.

    Attributes:
        strategy: Its name.
        blocks: Wires of each block; all of them, in one, for `"dense"`.
        passes: How often the whole batch of states is read and written.
        flops: Real additions and multiplications.
        bytes: Read and written.
        operations: Compiled operations.
        seconds: The model's estimate.
    """

    strategy: str
    blocks: tuple[int, ...]
    passes: int
    flops: float
    bytes: float
    operations: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How a circuit is run; `print` shows it.

    Attributes:
        circuit: The circuit.
        batch: Samples.
        strategy: The strategy that is used.
        diff_method: The differentiation method that is used.
        why: What decided both, a sentence each.
        costs: Of every strategy that is possible, the chosen one first.
        n_layers: Layers the planner made of the gates.
        state_bytes: Of all states of the batch once.
    """

    circuit: Circuit
    batch: int
    strategy: str
    diff_method: str
    why: tuple[str, ...]
    costs: tuple[Cost, ...]
    n_layers: int
    state_bytes: int

    def __str__(self) -> str:
        c = self.circuit
        lines = [
            f"{len(c.gates)} gates on {c.n_qubits} qubits, in {self.n_layers} layers; batch {self.batch}; "
            f"one state of the batch is {format_bytes(self.state_bytes)}",
            f"strategy {self.strategy}, diff_method {self.diff_method}",
            *(f"  {sentence}" for sentence in self.why),
            "forward, by the cost model:",
            "  strategy  blocks           passes  Mflop      bytes  operations  estimate",
        ]
        for cost in self.costs:
            lines.append(
                f"  {cost.strategy:8}  {'+'.join(map(str, cost.blocks)):15}  {cost.passes:6}  "
                f"{cost.flops / 1e6:5.4g}  {format_bytes(cost.bytes):>9}  {cost.operations:10}  "
                f"{cost.seconds * 1e6:6.0f} us"
            )
        return "\n".join(lines)


def plan(
    circuit: Circuit, batch: int, itemsize: int, strategy: str, diff_method: str, *, two_calls: bool = True
) -> Plan:
    """Choose how to run a circuit.

    Args:
        circuit: The circuit.
        batch: Samples.
        itemsize: Bytes of a real number: 4 or 8.
        strategy: One of `STRATEGIES`, of `NOISY_STRATEGIES` with noise, or `"auto"`.
        diff_method: One of `DIFF_METHODS`, or `"best"`.
        two_calls: Whether forward and backward are separate calls, as from torch, or parts of one program.

    Returns:
        The choice and its reasons.

    Raises:
        ValueError: If a name is unknown, the batch is below 1, or the strategy cannot run this circuit.
        TypeError: If the batch is not an integer.
    """
    check_names(strategy, diff_method)
    if circuit.is_state and diff_method == "parameter-shift":
        raise ValueError(
            "diff_method must not be 'parameter-shift' where the state is measured, whose amplitudes have no "
            "such rule, but was. Use 'best'."
        )
    batch = count("batch", batch)
    if circuit.channels:
        from qproj.planning.noisy import noisy_plan  # builds upon this module

        return noisy_plan(circuit, batch, itemsize, strategy, diff_method)
    made = layers(circuit)
    rows = microbatch_size(circuit, batch, itemsize) if two_calls else batch
    possible = [_cost(circuit, made, name, batch, itemsize, rows) for name in _possible(circuit, made)]
    ranked = sorted(possible, key=lambda cost: cost.seconds)
    why = []
    if strategy == "auto":
        why.append(f"{ranked[0].strategy} has the lowest estimate.")
    else:
        chosen = [cost for cost in ranked if cost.strategy == strategy]
        if strategy in NOISY_STRATEGIES:
            raise ValueError(f"strategy must be for circuits without noise here, but was {strategy!r}.")
        if not chosen:
            raise ValueError(
                f"strategy must be one of {', '.join(c.strategy for c in ranked)} for this circuit, but was "
                f"{strategy!r}: a dense matrix is for at most {_DENSE_QUBITS} qubits whose inputs enter once."
            )
        ranked = chosen + [cost for cost in ranked if cost.strategy != strategy]
        why.append(f"strategy={strategy!r} was asked for.")
    state_bytes = 2 * itemsize * 2**circuit.n_qubits * batch
    kept = state_bytes * (1 + len(ranked[0].blocks) * sum(layer.local is not None for layer in made))
    bras = circuit.n_values * batch * 2**circuit.n_qubits
    small = two_calls and batch <= _JACOBIAN_BATCH and bras <= _JACOBIAN_AMPLITUDES
    method, reason = _method(diff_method, ranked[0].strategy, kept, small)
    why.append(reason)
    if two_calls and one_kernel(circuit, batch, method):
        why.append("So small that the CPU runs all of it as a single kernel.")
    if rows < batch:
        why.append(f"The CPU runs it in micro-batches of {rows}, whose states fit the cache.")
    return Plan(circuit, batch, ranked[0].strategy, method, tuple(why), tuple(ranked), len(made), state_bytes)


@functools.lru_cache(maxsize=1024)
def choose(
    circuit: Circuit, batch: int, itemsize: int, strategy: str, diff_method: str, *, two_calls: bool = True
) -> tuple[str, str]:
    """Strategy and differentiation method of `plan`, remembered."""
    made = plan(circuit, batch, itemsize, strategy, diff_method, two_calls=two_calls)
    return made.strategy, made.diff_method


@functools.lru_cache(maxsize=1024)
def one_kernel(circuit: Circuit, batch: int, diff_method: str) -> bool:
    """Whether a batch is so small that XLA should make a single kernel of all its operations."""
    each = circuit.n_values if diff_method == "jacobian" else 1
    return (
        diff_method != "parameter-shift"
        and not circuit.channels
        and each * batch * 2**circuit.n_qubits <= _KERNEL_AMPLITUDES
        and compiled_layers(layers(circuit)) <= _KERNEL_LAYERS
    )


def microbatch_size(circuit: Circuit, batch: int, itemsize: int) -> int:
    """Samples in a micro-batch: as many as keep their states in the cache, at most the whole batch."""
    most: int = max(1, _MICROBATCH_BYTES // (2 * itemsize * 2**circuit.n_qubits))
    return math.ceil(batch / math.ceil(batch / most))


def _possible(circuit: Circuit, made: Sequence[Layer]) -> list[str]:
    per_sample = any(layer.diagonal is not None and layer.diagonal.angles.per_sample for layer in made)
    dense = circuit.n_qubits <= _DENSE_QUBITS and not per_sample
    # A block cannot be larger than the circuit.
    largest = max(2, min(6, circuit.n_qubits))
    return ["dense"] * dense + [f"fused-{k}" for k in range(2, largest + 1)]


def _method(diff_method: str, strategy: str, kept: int, small: bool) -> tuple[str, str]:
    if diff_method != "best":
        return diff_method, f"diff_method={diff_method!r} was asked for."
    if small and strategy != "dense":
        return "jacobian", "jacobian: so small that all derivatives cost less than a second call."
    if strategy == "dense":
        return "adjoint", "adjoint: a dense matrix needs the final states only."
    if kept <= memory_budget():
        return "backprop", f"backprop: the states it keeps take {format_bytes(kept)}, which fits."
    return "adjoint", f"adjoint: the states backprop keeps would take {format_bytes(kept)}."


def _cost(
    circuit: Circuit, made: Sequence[Layer], strategy: str, batch: int, itemsize: int, rows: int
) -> Cost:
    """The cost of a batch that runs in micro-batches of `rows` samples."""
    n, times = circuit.n_qubits, batch / rows
    slower = itemsize / 4
    amplitudes = 2**n * rows
    state = 2 * itemsize * amplitudes
    rate = _BYTES_IN_CACHE if state <= _CACHE else _BYTES
    passes, operations = 2, 4  # prepare and measure
    flops, moved, seconds = 8.0 * amplitudes, 2.0 * state, 2 * state / rate
    fusion = parse(strategy)
    if isinstance(fusion, Dense):
        split: tuple[int, ...] = (n,)
        size, n_layers = 2 * 2**n, len(made) - (not circuit.amplitudes)
        built = n_layers * 2.0 * size**3
        run = 2.0 * size * 2 * amplitudes
        flops += built + run
        moved += 2 * state
        passes += 1
        operations += 3 + 2 * n_layers
        seconds += _DENSE_SECONDS + slower * built / _DENSE_FLOPS
        seconds += max(slower * run / _FLOPS.get(size, _LARGE_FLOPS), 2 * state / rate)
    else:
        scheduled = schedule(circuit, made, fusion.block)
        split = scheduled.split
        for layer in scheduled.layers:
            for k in split * (layer.local is not None):
                size = 2 * 2**k
                work = 2.0 * size * 2 * amplitudes
                flops, moved, passes, operations = flops + work, moved + 2 * state, passes + 1, operations + 1
                seconds += max(slower * work / _FLOPS.get(size, _LARGE_FLOPS), 2 * state / rate)
                seconds += size**2 * _ENTRY
            # Moving each block but the first to the leading wires; then the diagonal, and the permutation.
            steps = (len(split) - 1) * (layer.local is not None)
            steps += (layer.diagonal is not None) + (layer.permutation is not None)
            moved, passes, operations = moved + steps * 2 * state, passes + steps, operations + steps
            seconds += steps * 2 * state / rate
    seconds += operations * _OPERATION
    return Cost(
        strategy, split, passes, times * flops, times * moved, round(times * operations), times * seconds
    )
