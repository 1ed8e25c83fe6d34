"""The quantum layer against the PennyLane backends it can be moved to, same weights, same inputs.

Compile time stands apart: `test_first_call` runs in a fresh process, everything else is warmed up first.
"""

import subprocess
import sys

import pytest
import torch

import qproj

BACKENDS = ("jax", "default.qubit", "lightning.qubit")
CELLS = [(4, 1), (4, 32), (8, 32), (12, 32)]  # (n_qubits, batch); 3 layers


def _layer(backend: str, n_qubits: int) -> qproj.QuantumLayer:
    return qproj.QuantumLayer(n_qubits, 3, backend=backend, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("n_qubits", "batch"), CELLS)
def test_forward(benchmark, n_qubits, batch, backend):
    benchmark.group = f"forward, {n_qubits} qubits, batch {batch}"
    layer, x = _layer(backend, n_qubits), torch.rand(batch, n_qubits)
    torch.testing.assert_close(layer(x), _layer("jax", n_qubits)(x), atol=2e-5, rtol=0)
    with torch.no_grad():
        benchmark.pedantic(layer, (x,), rounds=7, warmup_rounds=2, iterations=1 if n_qubits > 8 else 3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("n_qubits", "batch"), CELLS)
def test_forward_and_backward(benchmark, n_qubits, batch, backend):
    benchmark.group = f"forward + backward, {n_qubits} qubits, batch {batch}"
    layer, x = _layer(backend, n_qubits), torch.rand(batch, n_qubits, requires_grad=True)

    def step() -> None:
        layer(x).sum().backward()

    benchmark.pedantic(step, rounds=7, warmup_rounds=2, iterations=1 if n_qubits > 8 else 3)


@pytest.mark.parametrize("n_qubits", [4, 8, 12])
def test_first_call(benchmark, n_qubits):
    """Import, trace, compile and run, forward and backward, in a process of its own."""
    benchmark.group = "first call in a fresh process, less the import of torch"
    code = (
        "import time, torch, qproj\n"
        f"x = torch.rand(32, {n_qubits}, requires_grad=True)\n"
        "began = time.perf_counter()\n"
        f"qproj.QuantumLayer({n_qubits}, 3)(x).sum().backward()\n"
        "print(time.perf_counter() - began)"
    )
    seconds: list[float] = []

    def run() -> None:
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds.append(float(out.stdout))

    benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["seconds_less_import"] = sorted(seconds)[1]
