"""What no layer can beat on this machine, measured in the same run: a round trip, arithmetic, copying.

Rates are those of the fastest round: what slows others down is not a limit.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any
from unittest import mock

import jax
import torch

from benchmarks.grid import Cell
from benchmarks.timing import Rounds, interleaved
from benchmarks.workloads import circuit
from qproj import Circuit, Gate, InputSlot, QuantumLayer, WeightSlot
from qproj.execution import programs
from qproj.planning import cost

IN_CACHE, IN_MEMORY = 1 << 21, 1 << 28  # bytes of the arrays that are copied
_fresh = itertools.count(1)


class _Nothing:
    """A differentiation method that gives back what it gets."""

    def forward(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, tuple[jax.Array]]:  # noqa: ARG002
        return inputs + 1, (inputs,)

    def backward(self, residuals: Any, inputs: Any, weights: Any, cotangents: Any) -> Any:  # noqa: ARG002
        return cotangents + 1, weights + 1


class RoundTrip:
    """A layer whose compiled program does nothing: the public way there and back, and no circuit on it.

    Args:
        n_qubits: Inputs and outputs.
        batch: Samples.
        device: Where the tensors are.
    """

    def __init__(self, n_qubits: int, batch: int, device: str = "cpu") -> None:
        # A circuit that nobody else runs, so that the program below is found under it and nowhere else.
        odd = 1 + next(_fresh) * 1e-9
        gates = [Gate("RY", (wire,), InputSlot(wire, scale=odd)) for wire in range(n_qubits)]
        gates += [Gate("RX", (wire,), WeightSlot(wire)) for wire in range(n_qubits)]
        self.layer = QuantumLayer(circuit=Circuit(gates=gates)).to(device)
        self.x = torch.randn(batch, n_qubits, device=device, requires_grad=True)
        self.cotangents = torch.ones(batch, n_qubits, device=device)
        with mock.patch.object(programs, "build", return_value=_Nothing()):
            values = self.forward()
            self.both()
        if not torch.equal(values, self.x.detach() + 1):
            raise RuntimeError("the empty program was not run: what the layer calls to build one has changed")

    def forward(self) -> torch.Tensor:
        """There and back, without gradients."""
        with torch.no_grad():
            return _wait_for(self.layer(self.x))

    def both(self) -> torch.Tensor:
        """There and back twice: values, and gradients."""
        self.x.grad = self.layer.weights.grad = None
        values = self.layer(self.x)
        values.backward(self.cotangents)
        return _wait_for(values.detach())


@functools.cache
def gemm(dtype: str = "float32", device: str = "cpu", rows: int = 2048) -> Rounds:
    """A large real matrix product, `2 * rows**3` operations."""
    a = torch.ones(rows, rows, dtype=getattr(torch, dtype), device=device)
    product = torch.empty_like(a)

    def call() -> None:
        torch.mm(a, a, out=product)
        _wait_for(product)

    call()
    return interleaved([call], max_time=0.3)[0]


@functools.cache
def copying(n_bytes: int, device: str = "cpu") -> Rounds:
    """An array copied into another that is there already: read once, written once."""
    a = torch.ones(n_bytes // 4, device=device)
    b = torch.empty_like(a)

    def call() -> None:
        b.copy_(a)
        _wait_for(b)

    call()
    return interleaved([call], max_time=0.3)[0]


def flops_rate(dtype: str = "float32", device: str = "cpu", rows: int = 2048) -> float:
    """Real operations per second of `gemm`."""
    return 2 * rows**3 / min(gemm(dtype, device, rows).seconds)


def bandwidth(n_bytes: int, device: str = "cpu") -> float:
    """Bytes read and written per second by passes over arrays like one of this size."""
    size = IN_CACHE if n_bytes <= IN_CACHE else IN_MEMORY
    return 2 * size / min(copying(size, device).seconds)


def measured(device: str) -> dict[str, float]:
    """The rates, for the JSON."""
    return {
        "sgemm_flops_per_second": flops_rate("float32", device),
        "dgemm_flops_per_second": flops_rate("float64", device),
        "cache_bytes_per_second": bandwidth(IN_CACHE, device),
        "memory_bytes_per_second": bandwidth(IN_MEMORY, device),
    }


def bounds(cell: Cell, direction: str, device: str = "cpu") -> dict[str, float]:
    """What arithmetic alone, and passes over memory alone, cannot take less than.

    Going backward counts as twice the work of going forward: the bra is taken back through the same blocks,
    and each block's gradient is one more product of the same size.

    Args:
        cell: The cell.
        direction: `"forward"` or `"both"`.
        device: Where it runs.

    Returns:
        Operations and bytes of the layer's plan, and seconds by `"arithmetic"` and `"memory"`.
    """
    itemsize = 8 if cell.dtype == "float64" else 4
    plan = cost.plan(circuit(cell), cell.batch, itemsize, "auto", "best")
    best, times = plan.costs[0], 3 if direction == "both" else 1
    flops, moved = times * best.flops, times * best.bytes
    return {
        "flops": flops,
        "bytes": moved,
        "arithmetic": flops / flops_rate(cell.dtype, device),
        "memory": moved / bandwidth(plan.state_bytes, device),
    }


def _wait_for(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.device.type != "cpu":
        torch.cuda.synchronize()
    return tensor
