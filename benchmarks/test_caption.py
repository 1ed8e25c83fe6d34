"""From the command line to a caption: cold start of the bundled model, and of help."""

import subprocess
import sys
from pathlib import Path

HYBRID = Path(sys.executable).parent / "hybrid"
PICTURE = Path(__file__).parents[1] / "docs" / "example.png"


def _run(*args: object) -> None:
    subprocess.run([str(HYBRID), *map(str, args)], capture_output=True, check=True)


def test_help(benchmark):
    benchmark.group = "cold start"
    benchmark.pedantic(_run, ("--help",), rounds=5, warmup_rounds=1)


def test_caption_one_picture(benchmark):
    benchmark.group = "cold start"
    benchmark.pedantic(_run, ("caption", PICTURE), rounds=5, warmup_rounds=1)


def test_import_torch_and_transformers(benchmark):
    """What any program on these two libraries pays before it begins."""
    benchmark.group = "cold start"
    code = "import torch, transformers; transformers.AutoModel"

    def run() -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
