"""Other simulators behind one small interface, each used as its own documentation recommends for speed.

A peer is one file here with a function `build(circuit, weights) -> step`, and a line in `PEERS`. `step(x)`
takes torch angles `(batch, n_inputs)` and gives expectation values `(batch, n_outputs)` that torch can
differentiate for `x` and for the weights; it computes in the precision of the weights. `build` reads the
circuit's gate list, and imports what it needs when it is called. A step that cannot train `weights` itself is
an `nn.Module` whose parameters, one after the other, are its copy of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.grid import Cell

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qproj import Circuit

Step: TypeAlias = "Callable[[Tensor], Tensor]"

OWN = "qproj"


@dataclass(frozen=True)
class Peer:
    """How a peer is found, and where it is worth measuring.

    Attributes:
        module: The file here that builds it.
        package: What pip installs, and whose version is recorded.
        options: Keyword arguments of its `build`.
        gradients: Whether it can go backward.
        loops: Whether it runs a batch one sample at a time.
        compiles: Whether its first call takes the longer the more gates there are.
        n_states: Largest number of amplitudes (of all samples) that it does in about a second or less.
        kept: States of the batch that it keeps for every gate, forward and backward, as measured.
        kept_long: The same of circuits that take long to compile.
        dtypes: What it computes in.
        devices: Kinds of devices it runs on.
    """

    module: str
    package: str
    options: Mapping[str, object] = field(default_factory=dict)
    gradients: bool = True
    loops: bool = False
    compiles: bool = False
    n_states: float = float("inf")
    kept: float = 0.0
    kept_long: float = 0.0
    dtypes: tuple[str, ...] = ("float32", "float64")
    devices: tuple[str, ...] = ("cpu",)


_LIGHTNING = "pennylane-lightning"
PEERS: dict[str, Peer] = {
    OWN: Peer("own", "qproj", devices=("cpu", "cuda")),
    "tensorcircuit-ng": Peer(
        # Double precision would be switched on for the whole process, this package included.
        "tensorcircuit", "tensorcircuit-ng", compiles=True, kept=2, kept_long=9, dtypes=("float32",),
        devices=("cpu", "cuda"),
    ),
    "default.qubit": Peer("default_qubit", "pennylane", kept=6, devices=("cpu", "cuda")),
    "lightning.qubit": Peer("lightning", _LIGHTNING, {"device_vjp": False}, loops=True, n_states=2**16),
    "lightning.qubit-vjp": Peer("lightning", _LIGHTNING, {"device_vjp": True}, loops=True),
    "deepquantum": Peer("deep_quantum", "deepquantum", kept=2.5, devices=("cpu", "cuda")),
    "qulacs": Peer("qulacs", "qulacs", gradients=False, loops=True),
    "qiskit-ml": Peer("qiskit_ml", "qiskit-machine-learning", loops=True, n_states=2**6),
}  # fmt: skip

# Beyond these a peer takes so long that only a patient grid measures it.
_LOOPED_BATCH = 32
_COMPILED_GATES = 112


def why_not(name: str, cell: Cell, n_gates: int, direction: str, device: str, patient: bool) -> str | None:
    """Say why a peer is not measured in a cell, or `None` where it is.

    Args:
        name: One of `PEERS`.
        cell: The cell.
        n_gates: Of its circuit.
        direction: `"forward"` or `"both"`.
        device: Kind of the device.
        patient: Whether minutes do not matter.
    """
    peer = PEERS[name]
    if device not in peer.devices:
        return f"{name} does not run on {device}"
    if direction == "both" and not peer.gradients:
        return f"{name} is measured forward only"
    if cell.dtype not in peer.dtypes:
        return f"{name} is measured in {', '.join(peer.dtypes)} only"
    if installed(name) is None:
        return f"{peer.package} is not installed: pip install -c constraints.txt -e '.[bench]'"
    if patient:
        return None
    if peer.loops and cell.batch > _LOOPED_BATCH:
        return f"{name} runs one sample at a time; --grid full measures it at batch {cell.batch} too"
    if peer.compiles and n_gates > _COMPILED_GATES:
        return f"{name} compiles {n_gates} gates for half a minute or more; --grid full measures that too"
    if 2**cell.n_qubits * cell.batch > peer.n_states:
        return f"{name} takes many seconds a call here; --grid full measures it"
    return None


def states_kept(name: str, n_gates: int) -> float:
    """States of the batch that a peer keeps, forward and backward."""
    peer = PEERS[name]
    return n_gates * (peer.kept_long if peer.compiles and n_gates > _COMPILED_GATES else peer.kept)


def installed(name: str) -> str | None:
    """Version of a peer, `None` where it is not installed."""
    try:
        return version(PEERS[name].package)
    except PackageNotFoundError:
        return None


def build(name: str, circuit: Circuit, weights: nn.Parameter) -> Step:
    """Make a peer's step.

    Args:
        name: One of `PEERS`.
        circuit: What to run; gates RX, RY, RZ and CNOT, observables `"z"`.
        weights: Trainable, shared by all peers.

    Returns:
        The step.

    Raises:
        ImportError: If the peer is not installed.
    """
    peer = PEERS[name]
    step: Step = importlib.import_module(f"benchmarks.peers.{peer.module}").build(
        circuit, weights, **peer.options
    )
    return step


def chosen(names: str | None) -> list[str]:
    """Read a comma-separated list of peers; the layer itself is always among them.

    Args:
        names: The list; all if `None`.

    Raises:
        ValueError: If a name is unknown.
    """
    if names is None:
        return list(PEERS)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in PEERS:
            raise ValueError(f"--peers must name some of {', '.join(PEERS)}, but held {name!r}")
    return [name for name in PEERS if name in wanted or name == OWN]
