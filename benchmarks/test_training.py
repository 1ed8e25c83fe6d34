"""The layer at work: a stream of samples, and the whole connector in a training step."""

import statistics

import pytest
import torch
from torch import nn

from benchmarks.peers import OWN, why_not
from benchmarks.recording import ratio, record
from benchmarks.subjects import Subject
from benchmarks.timing import interleaved
from benchmarks.workloads import circuit
from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.quantum import QuantumConnector

_STREAM = 4096  # samples
_VISION, _HIDDEN = 768, 2048  # widths of CLIP ViT-B/32 and of TinyLlama


@pytest.mark.cells("throughput")
@pytest.mark.peers(OWN, "tensorcircuit-ng", "deepquantum")
def test_throughput(benchmark, cell, peer, device, grid, pace, not_timed):
    """Samples a second, forward and backward, when they come as a stream that is cut into batches."""
    where = {"cell": cell.as_dict(), "peer": peer, "kind": "throughput"}
    if reason := why_not(peer, cell, len(circuit(cell).gates), "both", device, grid.patient):
        not_timed.skip(reason, **where)

    def pass_over(subject):
        stream = subject.x.repeat(_STREAM // cell.batch, 1).split(cell.batch)

        def call() -> None:
            for x in stream:
                x = x.requires_grad_()
                x.grad = None
                for p in subject.parameters:
                    p.grad = None
                subject.step(x).backward(subject.cotangents)
            subject._done(x)

        call()
        return call

    calls = [pass_over(Subject(name, cell, device)) for name in dict.fromkeys((peer, OWN))]
    rounds, own = [*interleaved(calls, **pace), None][:2]
    extra = {} if own is None else {"ratio": ratio(rounds, own), "own_seconds": own.seconds}
    record(
        benchmark, f"throughput, {_STREAM} samples, {cell}", rounds, **where, **extra,
        samples_per_second=_STREAM / statistics.median(rounds.seconds),
    )  # fmt: skip


class _PeerConnector(nn.Module):
    """A linear map down, a peer's circuit, a linear map up."""

    def __init__(self, subject):
        super().__init__()
        made = circuit(subject.cell)
        self.reduce = nn.Linear(_VISION, made.n_inputs, bias=False)
        self.expand = nn.Linear(made.n_outputs, _HIDDEN)
        self.step = subject.step
        if not isinstance(subject.step, nn.Module):
            self.weights = subject.weights

    def forward(self, x):
        # default.qubit answers in double precision whatever it was asked in.
        return self.expand(self.step(self.reduce(x)).to(x.dtype))


def _connector(name, cell, device):
    torch.manual_seed(0)
    if name == "classical":
        return ClassicalConnector(_VISION, _HIDDEN).to(device)
    if name == OWN:
        options = {"circuit": circuit(cell)}
        return QuantumConnector(_VISION, _HIDDEN, None, None, **options).to(device)
    return _PeerConnector(Subject(name, cell, device)).to(device)


def _training_step(name, cell, device):
    connector = _connector(name, cell, device)
    optimizer = torch.optim.AdamW(connector.parameters(), lr=1e-3)
    x = torch.randn(cell.batch, _VISION, device=device)
    wanted = torch.randn(cell.batch, _HIDDEN, device=device)

    def call() -> None:
        optimizer.zero_grad()
        token = connector(x).reshape(wanted.shape)
        nn.functional.mse_loss(token, wanted).backward()
        optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    call()
    return call


@pytest.mark.cells("training")
@pytest.mark.parametrize(
    "connector", [OWN, "classical", "tensorcircuit-ng", "default.qubit", "lightning.qubit-vjp"]
)
def test_training_step(benchmark, cell, connector, device, grid, pace, not_timed):
    """Vision embedding to vision token, loss, backward, AdamW; as wide as those of CLIP and TinyLlama."""
    where = {"cell": cell.as_dict(), "peer": connector, "kind": "training step"}
    n_gates = len(circuit(cell).gates)
    if connector != "classical" and (
        reason := why_not(connector, cell, n_gates, "both", device, grid.patient)
    ):
        not_timed.skip(reason, **where)
    calls = [_training_step(name, cell, device) for name in dict.fromkeys((connector, OWN))]
    rounds, own = [*interleaved(calls, **pace), None][:2]
    extra = {} if own is None else {"ratio": ratio(rounds, own), "own_seconds": own.seconds}
    record(benchmark, f"training step, {cell}", rounds, **where, **extra)
