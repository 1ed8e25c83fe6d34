"""One pass of the engine, by itself: the product with a block, and the move that brings it to the front."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks.grid import Cell
from benchmarks.limits import bandwidth, flops_rate
from benchmarks.timing import Rounds, interleaved
from benchmarks.workloads import circuit
from qproj._compat.jax import synchronous_cpu
from qproj.planning import cost
from qproj.simulation import statevector as sv
from qproj.simulation import xla_cpu


class Passes:
    """The blocks of one layer, one after the other, on the states of one micro-batch of a cell, in float32.

    Args:
        cell: The cell.
    """

    def __init__(self, cell: Cell) -> None:
        made, itemsize = circuit(cell), 4
        self.rows = cost.microbatch_size(made, cell.batch, itemsize)
        # One size for all blocks, so that a pass is like the next one.
        largest = max(cost.plan(made, cell.batch, itemsize, "auto", "best").costs[0].blocks)
        self.wires = next(k for k in range(largest, 0, -1) if cell.n_qubits % k == 0)
        self.n_blocks = cell.n_qubits // self.wires
        generator, size = np.random.default_rng(0), 2 * 2**self.wires
        blocks = [np.linalg.qr(generator.normal(size=(size, size)))[0] for _ in range(self.n_blocks)]
        state = generator.normal(size=(2, 2**cell.n_qubits, self.rows))
        self._given = [
            jax.device_put(array.astype(np.float32), synchronous_cpu()) for array in (state, *blocks)
        ]
        self.flops = 2.0 * size * state.size
        self.bytes = 2.0 * state.size * itemsize

        def products(state: jax.Array, *blocks: jax.Array) -> jax.Array:
            for block in blocks:
                state = sv.apply_block(state, block)
            return state

        def whole(state: jax.Array, *blocks: jax.Array) -> jax.Array:
            for i, block in enumerate(blocks):
                state = sv.apply_block(sv.exchange(state, i * self.wires, self.wires), block)
            return state

        self._products, self._whole = (xla_cpu.compiled(f, one_kernel=False) for f in (products, whole))

    def products(self) -> Any:
        """The products alone."""
        return jax.block_until_ready(self._products(*self._given))  # type: ignore[no-untyped-call]

    def whole(self) -> Any:
        """The products, and before each the move that brings its block to the front."""
        return jax.block_until_ready(self._whole(*self._given))  # type: ignore[no-untyped-call]

    def measured(self, pace: dict[str, Any]) -> tuple[Rounds, dict[str, object]]:
        """Seconds of one pass, and how near it comes to the tighter limit with and without its move."""
        for call in (self.whole, self.products):
            call()
        both = interleaved([self.whole, self.products], **pace)
        whole, products = (
            Rounds([seconds / self.n_blocks for seconds in side.seconds], side.iterations * self.n_blocks)
            for side in both
        )
        bounds = {
            "arithmetic": self.flops / flops_rate(),
            "memory": self.bytes / bandwidth(int(self.bytes / 2)),
        }
        limit = max(bounds, key=bounds.__getitem__)
        return whole, {
            "wires": self.wires,
            "rows": self.rows,
            "flops": self.flops,
            "limit": limit,
            "limit_fraction": bounds[limit] / float(np.median(whole.seconds)),
            "product_seconds": products.seconds,
            "product_fraction": bounds[limit] / float(np.median(products.seconds)),
        }
