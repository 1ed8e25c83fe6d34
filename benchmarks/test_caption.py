"""Captions of the bundled model: to the first word, words a second, the circuit's share, and a cold start."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import hybrid
from benchmarks.clock import Clock
from benchmarks.recording import record
from benchmarks.timing import Rounds
from qproj import QuantumLayer

PICTURE = Path(__file__).parents[1] / "docs" / "example.png"
_ROUNDS = 10


@pytest.fixture(scope="module")
def captions(device):
    """Seconds to the first token, per further token, of the whole and of the circuit, for each caption."""
    pair = hybrid.load(device=device)
    (layer,) = (module for module in pair[0].modules() if isinstance(module, QuantumLayer))
    entered: list[float] = []
    within: list[float] = []
    layer.register_forward_pre_hook(lambda *_: entered.append(time.perf_counter()))
    layer.register_forward_hook(lambda *_: within.append(time.perf_counter() - entered[-1]))
    found = []
    for _ in range(_ROUNDS + 2):
        clock = Clock()
        within.clear()
        began = time.perf_counter()
        hybrid.caption(PICTURE, model=pair, streamer=clock)
        whole = time.perf_counter() - began
        first, last, count = clock.times[1], clock.times[-1], len(clock.times) - 2
        found.append((first - began, (last - first) / count, whole, sum(within)))
    return [list(column) for column in zip(*found[2:], strict=True)]


def test_time_to_first_token(benchmark, captions):
    """From the path of a picture, with the model loaded."""
    record(benchmark, "caption", Rounds(captions[0], 1), kind="caption")


def test_time_per_token(benchmark, captions):
    median = sorted(captions[1])[_ROUNDS // 2]
    record(benchmark, "caption", Rounds(captions[1], 1), kind="caption", tokens_per_second=1 / median)


def test_whole_caption(benchmark, captions):
    record(benchmark, "caption", Rounds(captions[2], 1), kind="caption")


def test_quantum_layer_within_a_caption(benchmark, captions):
    shares = sorted(part / whole for part, whole in zip(captions[3], captions[2], strict=True))
    record(
        benchmark, "share of the quantum layer in a caption", Rounds(captions[3], 1), kind="share",
        share=shares[_ROUNDS // 2],
    )  # fmt: skip


COLD_STARTS = {
    "hybrid caption": ["-c", "from hybrid.cli import main; main()", "caption", str(PICTURE)],
    "hybrid --help": ["-c", "from hybrid.cli import main; main()", "--help"],
    # What any program on these two libraries pays before it begins.
    "import torch and transformers": ["-c", "import torch, transformers; transformers.AutoModel"],
}


@pytest.mark.parametrize("command", COLD_STARTS)
def test_cold_start(benchmark, command):
    benchmark.group = "cold start"
    benchmark.extra_info.update(kind="cold start", command=command)

    def run() -> None:
        subprocess.run([sys.executable, *COLD_STARTS[command]], capture_output=True, check=True)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
