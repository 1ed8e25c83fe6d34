"""What no layer can beat on this machine, measured in the same run: a round trip, arithmetic, copying."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import torch

from qproj import QuantumLayer, bridge
from qproj.simulation import engine


def seconds(call: Callable[[], object], rounds: int = 7, least: float = 0.05) -> float:
    """Median seconds of one call, after a call that compiles."""
    call()
    began = time.perf_counter()
    call()
    repeat = max(1, min(1000, int(least / (time.perf_counter() - began))))
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(repeat):
            call()
        times.append((time.perf_counter() - began) / repeat)
    return statistics.median(times)


def round_trip(n_qubits: int, batch: int) -> dict[str, Callable[[], object]]:
    """A layer whose compiled program does nothing: `"forward"` and `"both"`, to be timed."""
    layer = QuantumLayer(n_qubits, 3)
    nothing = engine.Program(
        run=jax.jit(lambda x, _: x),
        forward=jax.jit(lambda x, _: (x, (x,))),
        backward=jax.jit(lambda residuals, _, w, cotangents: (cotangents + residuals[0], w)),
    )
    x = torch.randn(batch, n_qubits, requires_grad=True)

    def forward() -> None:
        with torch.no_grad():
            bridge._Run.apply(x, layer.weights, nothing, False)

    def both() -> None:
        x.grad = layer.weights.grad = None
        bridge._Run.apply(x, layer.weights, nothing, True).sum().backward()

    return {"forward": forward, "both": both}


def sgemm_rate(rows: int = 1024) -> float:
    """Real operations per second of a large matrix product in JAX, single precision."""
    a = jnp.ones((rows, rows), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    return 2 * rows**3 / seconds(lambda: product(a).block_until_ready())


def copy_bandwidth(n_bytes: int = 1 << 26) -> float:
    """Bytes read and written per second by a compiled pass over a large array."""
    a = jnp.ones(n_bytes // 4, jnp.float32)
    add = jax.jit(lambda a: a + 1)
    return 2 * n_bytes / seconds(lambda: add(a).block_until_ready())
