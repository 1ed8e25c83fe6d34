"""What a backend can do, as data. What it cannot is refused by `qproj.backends.checks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

# What can be measured. A sampler is asked for nothing but what its capabilities list.
#   expectations   (rows, n_columns) float64: of each of `circuit.terms`, coefficients left out; words have
#                  a column each, and what needs "probabilities" as many as it has outputs
#   probabilities  (rows, 2**n) float64: of each basis state
#   samples        (rows, shots, n) uint8: bits, that of wire w in column w
#   states         (rows, 2**n) complex128: amplitudes of each basis state, up to a global phase
# Wire 0 is the most significant bit of a basis state's index.
Measure = Literal["expectations", "probabilities", "samples", "states"]
MEASURES: tuple[str, ...] = get_args(Measure)

# Numbers that a simulator holds for one row of a batch, by what it holds: `bytes_of`.
Holds = Literal["", "states", "density matrices"]


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. The defaults are those of the simplest exact simulator.

    Attributes:
        exact: Exact values, `shots=None`.
        shots: Finite numbers of measurements.
        shots_per: What each gets `shots` measurements: every Pauli word, or every group of words that are
            measured together.
        default_shots: Measurements where the caller asks for no number, of a device that has one of its own.
        seed: Measurements that repeat by `Execution.seed`.
        noise: Noise by `Execution.noise`.
        diff_methods: Differentiation methods of exact values. Of a `Sampler`: `"parameter-shift"` always,
            `"adjoint"` where it has `vjp`, `"backprop"` where it has `trace`.
        strategies: Names that `Execution.strategy` may have beside `"auto"`.
        options: Names that `Execution.extra` may hold.
        measures: What can be measured; see `Measure`.
        gates: Names of the gates that can be run, or `None` for all. Others are written as products of these
            where they are such products.
        max_qubits: The most qubits, or `None`.
        batches: The most rows in one call.
        holds: What is held in memory for each row of a call, so that calls are made no larger than memory.
    """

    exact: bool = True
    shots: bool = False
    shots_per: Literal["word", "group"] = "word"
    default_shots: int | None = None
    seed: bool = False
    noise: bool = False
    diff_methods: tuple[str, ...] = ("parameter-shift",)
    strategies: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset({"expectations"})
    gates: frozenset[str] | None = None
    max_qubits: int | None = None
    batches: int = 2000
    holds: Holds = ""

    def bytes_of(self, n_qubits: int) -> int:
        """Bytes that are held for one row, in double precision."""
        numbers: Mapping[str, int] = {"states": 2**n_qubits, "density matrices": 4**n_qubits}
        return 16 * numbers.get(self.holds, 0)
