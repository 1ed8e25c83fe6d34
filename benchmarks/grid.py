"""What is measured: cells, and grids of them. Plain data; torch and JAX are not needed to read it.

To measure one more size, add a `Cell` to a grid; to measure another circuit, add a function to `WORKLOADS` in
`workloads.py` and a title here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import product

# What a workload is called in tables. BASIC is the reference circuit of many peers, STRONG the default here.
BASIC, STRONG, QCBM = "basic", "strong", "qcbm"
TITLES = {BASIC: "RX + BasicEntangler", STRONG: "RY + StronglyEntangling", QCBM: "QCBM"}
DIRECTIONS = {"forward": "forward", "both": "forward + backward"}


@dataclass(frozen=True)
class Cell:
    """One size of one circuit.

    Attributes:
        workload: A key of `TITLES`.
        n_qubits: Qubits.
        batch: Samples.
        n_layers: Layers of the ansatz.
        dtype: Of inputs and weights: `"float32"` or `"float64"`.
    """

    workload: str
    n_qubits: int
    batch: int
    n_layers: int = 3
    dtype: str = "float32"

    @property
    def id(self) -> str:
        """What `-k` selects by."""
        return f"{self.workload}-n{self.n_qubits}-L{self.n_layers}-b{self.batch}-{self.dtype}"

    def __str__(self) -> str:
        return (
            f"{TITLES[self.workload]}, {self.n_qubits} qubits, {self.n_layers} layers, batch {self.batch}, "
            f"{self.dtype}"
        )

    def as_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Grid:
    """What one run measures.

    Attributes:
        layer: Cells in which the layer is measured against every peer.
        options: Cells in which its own strategies and differentiation methods are measured.
        depths: Cells of different numbers of layers.
        first_calls: Cells whose first call is measured, each in a fresh process.
        slow_first_calls: Cells whose first call is measured for the layer alone.
        memory: Cells whose peak memory is measured, each in a fresh process.
        throughput: Cells of a stream of samples, in batches of `batch`.
        training: Cells of the connector in a training step.
        qcbm: Cells of the QCBM circuit.
        passes: Cells in which a single pass of the engine is measured, in float32.
        patient: Whether peers are measured where they take minutes too.
        directions: Keys of `DIRECTIONS` that are measured.
    """

    layer: tuple[Cell, ...] = ()
    options: tuple[Cell, ...] = ()
    depths: tuple[Cell, ...] = ()
    first_calls: tuple[Cell, ...] = ()
    slow_first_calls: tuple[Cell, ...] = ()
    memory: tuple[Cell, ...] = ()
    throughput: tuple[Cell, ...] = ()
    training: tuple[Cell, ...] = ()
    qcbm: tuple[Cell, ...] = ()
    passes: tuple[Cell, ...] = ()
    patient: bool = False
    directions: tuple[str, ...] = ("both", "forward")


def _qcbm(*sizes: tuple[int, int]) -> tuple[Cell, ...]:
    return tuple(Cell(QCBM, n, batch, 9, "float64") for n, batch in sizes)


_EVERY_SIZE = [
    (n, batch) for n, batch in product((4, 8, 12, 16), (1, 32, 256, 1024)) if 2**n * batch <= 2**22
]

_SIZES = tuple(Cell(w, *size) for w in (BASIC, STRONG) for size in (*_EVERY_SIZE, (20, 1)))

GRIDS: dict[str, Grid] = {
    "default": Grid(
        layer=(
            *(
                Cell(BASIC, *size)
                for size in ((4, 1), (4, 32), (4, 1024), (8, 32), (8, 1024), (12, 32), (16, 1))
            ),
            *(Cell(STRONG, *size) for size in ((4, 1), (4, 32), (4, 1024), (8, 32), (12, 32), (16, 1))),
            Cell(BASIC, 8, 32, dtype="float64"),
        ),
        options=(Cell(STRONG, 4, 32), Cell(STRONG, 8, 32), Cell(STRONG, 12, 32)),
        depths=tuple(Cell(STRONG, 8, 32, n_layers) for n_layers in (1, 3, 10)),
        first_calls=(Cell(BASIC, 4, 32), Cell(BASIC, 8, 32), Cell(BASIC, 12, 32)),
        slow_first_calls=(Cell(STRONG, 8, 32), Cell(STRONG, 16, 1)),
        memory=(Cell(BASIC, 8, 32), Cell(BASIC, 12, 32), Cell(STRONG, 16, 1)),
        throughput=(Cell(BASIC, 4, 256), Cell(BASIC, 8, 256)),
        training=(Cell(BASIC, 4, 32), Cell(BASIC, 8, 32)),
        qcbm=_qcbm((4, 1), (8, 1), (12, 1), (16, 1), (4, 1000), (8, 1000)),
        passes=tuple(Cell(BASIC, *size) for size in ((12, 32), (12, 1024), (16, 1), (16, 32), (20, 1))),
    ),
    # The layer against its peers at every size, and nothing else.
    "sizes": Grid(layer=_SIZES, directions=("both",)),
    # Noise, shots, probabilities and kernels have sizes of their own.
    "measurements": Grid(),
    "full": Grid(
        layer=(
            *_SIZES,
            *(Cell(w, n, 32, dtype="float64") for w in (BASIC, STRONG) for n in (4, 8, 12)),
            *(Cell(w, 8, 32, n_layers) for w in (BASIC, STRONG) for n_layers in (1, 10)),
        ),
        options=tuple(Cell(w, *size) for w in (BASIC, STRONG) for size in _EVERY_SIZE),
        depths=tuple(Cell(w, n, 32, k) for w in (BASIC, STRONG) for n in (4, 8, 12) for k in (1, 3, 10, 30)),
        first_calls=tuple(Cell(w, n, 32) for w in (BASIC, STRONG) for n in (4, 8, 12)),
        slow_first_calls=tuple(Cell(w, *size) for w in (BASIC, STRONG) for size in ((16, 1), (20, 1))),
        memory=tuple(Cell(w, *s) for w in (BASIC, STRONG) for s in ((8, 1024), (12, 256), (16, 32), (20, 1))),
        throughput=tuple(Cell(w, n, b) for w in (BASIC, STRONG) for n in (4, 8, 12) for b in (32, 256)),
        training=tuple(Cell(w, n, b) for w in (BASIC, STRONG) for n in (4, 8) for b in (32, 256)),
        qcbm=_qcbm(*((n, 1) for n in (4, 8, 10, 12, 16, 20)), *((n, 1000) for n in (4, 8, 10, 12))),
        passes=tuple(Cell(BASIC, *size) for size in (*_EVERY_SIZE, (20, 1))),
        patient=True,
    ),
}
