"""One run at full size in a process of its own, which can be asked for its peak of memory at the end.

`python -m benchmarks.real_child train WORDS...` is `hybrid train WORDS...`; `... caption MODEL DTYPE PICTURE`
captions a picture. Both print what they measured as the last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fresh import peak_memory

TOKENS = 20


def run(*words: object, timeout: float = 240) -> dict[str, float]:
    """Run in a fresh process.

    Args:
        words: ``train`` or ``caption``, and what follows it.
        timeout: Seconds after which the process is ended.

    Returns:
        ``peak_bytes``, ``seconds`` and what the run adds to these.

    Raises:
        RuntimeError: If it failed or took too long.
    """
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(root), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.real_child", *map(str, words)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=timeout, env=environment
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{words[0]} took longer than {timeout:.0f} seconds") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{words[0]} failed: {last}") from None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def train(*words: str) -> dict[str, float]:
    """Run ``hybrid train``."""
    from hybrid import cli

    sys.argv = ["hybrid", "train", *words]
    try:
        cli.main()
    except SystemExit as leaving:
        if leaving.code:
            raise
    return {}


def caption(model: str, dtype: str, picture: str) -> dict[str, float]:
    """Load a model and caption a picture twice; the first time compiles the circuit."""
    import torch

    import hybrid
    from benchmarks.clock import Clock

    began = time.perf_counter()
    pair = hybrid.load(model, dtype=getattr(torch, dtype))
    loaded = time.perf_counter() - began
    for _ in range(2):
        clock = Clock()
        asked = time.perf_counter()
        hybrid.caption(
            picture, model=pair, streamer=clock, max_new_tokens=TOKENS, min_new_tokens=TOKENS
        )  # fmt: skip
    said = clock.times[1:]
    return {
        "load_seconds": loaded,
        "first_token_seconds": said[0] - asked,
        "token_seconds": (said[-1] - said[0]) / (len(said) - 1),
    }


RUNS: dict[str, Callable[..., dict[str, float]]] = {"train": train, "caption": caption}

if __name__ == "__main__":
    start = time.perf_counter()
    measured = RUNS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_bytes": peak_memory()} | measured))
