"""A folder of pictures against the model alone: what reading files, scaling and writing rows costs.

``pytest benchmarks/test_caption_folder.py --benchmark-only --grid full -s`` prints both rates and asserts
their ratio; ``-k memory`` compares what the installed command takes for 100 and for 10,000 pictures.
They take minutes, so the default grid leaves them out.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.result_file import ResultWriter
from hybrid.data.results import FORMATS
from hybrid.data.scenes import sample_scene
from hybrid.data.sources import find_pictures
from hybrid.inference.captioning import caption_files
from hybrid.inference.out_of_distribution import Detector

HYBRID = Path(sys.executable).parent / "hybrid"
PICTURES, BATCH, ROUNDS = 1000, 16, 5
LEAST = 0.7  # of the bare loop's rate
GROWTH = 32 * 2**20  # bytes from 100 to 10,000 pictures, most of it names and noise


@pytest.fixture(autouse=True, scope="module")
def _takes_minutes(request):
    if request.config.getoption("--grid") != "full":
        pytest.skip("a folder of pictures is measured with --grid full")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes of 160 x 160 to 320 x 240 pixels, half of them PNG and half JPEG."""
    where = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        size = [(160, 160), (320, 240), (240, 320)][i % 3]
        draw_scene(sample_scene(rng), rng).resize(size).save(where / f"{i}.{'png' if i % 2 else 'jpg'}")
    return where


def test_rate(benchmark, folder, tmp_path):
    model, processor = hybrid.load()
    detector = Detector.load(model.config.name_or_path)
    assert detector
    names = find_pictures([str(folder)])
    ids = torch.tensor([processor.prompt_ids()])
    from hybrid.data.images import open_image

    batches = [
        torch.cat([processor.pixel_values(open_image(name)) for name in names[i : i + BATCH]])
        for i in range(0, PICTURES, BATCH)
    ]

    @torch.inference_mode()
    def bare() -> None:
        for pixels in batches:
            model.generate(
                input_ids=ids.expand(len(pixels), -1), pixel_values=pixels, max_new_tokens=50, do_sample=False
            )

    def whole() -> None:
        with (tmp_path / "out.jsonl").open("w") as out, ResultWriter(out, FORMATS["jsonl"]) as writer:
            for result in caption_files(model, processor, names, batch_size=BATCH, detector=detector):
                writer.write(result)

    bare(), whole()
    seconds: dict[str, list[float]] = {"bare": [], "whole": []}
    for _ in range(ROUNDS):  # interleaved, so that what else the machine does hits both
        for name, run in (("bare", bare), ("whole", whole)):
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    benchmark.group = "folder"
    benchmark.pedantic(whole, rounds=1)
    rates = {name: PICTURES / statistics.median(times) for name, times in seconds.items()}
    ratio = statistics.median(a / b for a, b in zip(seconds["bare"], seconds["whole"], strict=True))
    benchmark.extra_info |= rates | {"ratio": ratio}
    print(f"\nbare {rates['bare']:.0f}/s, folder {rates['whole']:.0f}/s, ratio {ratio:.2f}")
    assert ratio >= LEAST


def test_memory(benchmark, folder, tmp_path):
    """The largest resident size of a run, as it goes; links stand for more pictures."""

    def peak(count: int) -> int:
        where = tmp_path / str(count)
        where.mkdir()
        for i in range(count):
            source = folder / f"{i % PICTURES}.{'png' if i % PICTURES % 2 else 'jpg'}"
            (where / f"{i}{source.suffix}").symlink_to(source)
        command = [HYBRID, "caption", where, "--format", "jsonl", "--output", tmp_path / f"{count}.jsonl"]
        process = subprocess.Popen(command)
        largest = 0
        # Asked for while it runs: what wait4 says of a process begins with the size of its parent.
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            largest = max(
                largest, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0
            )
            time.sleep(0.05)
        assert process.returncode == 0
        assert largest
        return largest * 1024

    benchmark.group = "folder"
    few = peak(100)
    many = benchmark.pedantic(peak, (10_000,), rounds=1)
    benchmark.extra_info |= {"few": few, "many": many}
    print(f"\n100 pictures {few / 2**20:.0f} MiB, 10,000 pictures {many / 2**20:.0f} MiB")
    assert many - few <= GROWTH
