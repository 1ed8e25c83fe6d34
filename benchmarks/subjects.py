"""A peer set up on a cell, ready to be called, and whether what it gives is what the layer gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from benchmarks.grid import Cell
from benchmarks.peers import OWN, build, states_kept
from benchmarks.workloads import circuit
from qproj import QuantumLayer
from qproj.memory import format_bytes

# Largest difference, relative to the largest value (or 1). Some peers build gates, or hand values to torch,
# in single precision even where they compute in double.
_TOLERANCE = {"float32": 2e-4, "float64": 2e-6}


class Subject:
    """One peer on one cell, with the weights and inputs that all of them get.

    Args:
        name: One of `PEERS`.
        cell: The cell.
        device: Where the tensors are.
        options: Of `QuantumLayer`, for the layer itself.
    """

    def __init__(self, name: str, cell: Cell, device: str = "cpu", **options: Any) -> None:
        self.name, self.cell, self.device = name, cell, device
        made = circuit(cell)
        dtype = getattr(torch, cell.dtype)
        generator = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(
            6 * torch.rand(made.weight_shape, generator=generator, dtype=dtype).to(device)
        )
        self.x = torch.randn(cell.batch, made.n_inputs, generator=generator, dtype=dtype).to(device)
        self.cotangents = torch.randn(cell.batch, made.n_outputs, generator=generator, dtype=dtype).to(device)
        self._with_gradient = self.x.clone().requires_grad_()
        if options:
            layer = QuantumLayer(circuit=made, **options)
            layer.weights = self.weights
            self.step: Callable[[Tensor], Tensor] = layer
        else:
            self.step = build(name, made, self.weights)
        own = list(self.step.parameters()) if isinstance(self.step, nn.Module) else [self.weights]
        self.parameters: list[Tensor] = own

    def forward(self) -> Tensor:
        """Values without gradients."""
        with torch.no_grad():
            return self._done(self.step(self.x))

    def both(self) -> Tensor:
        """Values and all gradients, which are left where torch leaves them."""
        for tensor in (self._with_gradient, *self.parameters):
            tensor.grad = None
        values = self.step(self._with_gradient)
        values.backward(self.cotangents.to(values.dtype))
        return self._done(values.detach())

    def results(self, direction: str) -> dict[str, Tensor]:
        """What to compare: values, and after `"both"` the gradients."""
        found = {"values": getattr(self, direction)()}
        if direction == "both":
            found["gradient of the inputs"] = self._with_gradient.grad
            found["gradient of the weights"] = torch.cat([p.grad.reshape(-1) for p in self.parameters])
        return {name: tensor.double().cpu().clone() for name, tensor in found.items()}

    def _done(self, values: Tensor) -> Tensor:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return values


def disagreement(results: dict[str, Tensor], expected: dict[str, Tensor], dtype: str) -> str | None:
    """Say in which of its results a peer differs from the layer, or `None`."""
    for name, result in results.items():
        wanted = expected[name]
        if result.shape != wanted.shape:
            return f"{name} had shape {tuple(result.shape)}, not {tuple(wanted.shape)}"
        difference = float((result - wanted).abs().max())
        if not difference <= _TOLERANCE[dtype] * max(1.0, float(wanted.abs().max())):
            return f"{name} differed by {difference:.2g}"
    return None


def too_large(cell: Cell, name: str = OWN, available: int | None = None) -> str | None:
    """Say how much memory a cell would take where there is less, or `None`.

    Args:
        cell: The cell.
        name: Who runs it.
        available: Bytes; what the machine has free if `None`.
    """
    available = psutil.virtual_memory().available if available is None else available
    made = circuit(cell)
    itemsize = 16 if cell.dtype == "float64" else 8
    kept = 8 + (6 * cell.n_layers if name == OWN else states_kept(name, len(made.gates)))
    needed = int(kept * itemsize * 2**cell.n_qubits * cell.batch)
    # What is kept is known roughly, and nobody comes back from too little memory.
    if needed <= 0.9 * available:
        return None
    return (
        f"{name} may take {format_bytes(needed)} on {cell}, and {format_bytes(available)} of memory is free"
    )
