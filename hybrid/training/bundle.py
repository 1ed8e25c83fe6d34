"""``python -m hybrid.training.bundle RUN``: ship the model of a finished run inside the package."""

import shutil
import sys
from pathlib import Path

from hybrid.loading.load import load
from hybrid.loading.names import BUNDLED

MAX_BYTES = 12 * 2**20


def bundle(run: Path) -> Path:
    """Replace the bundled model.

    Args:
        run: The folder of a finished training run.

    Returns:
        Where the model now lies.

    Raises:
        FileNotFoundError: If the run has no measured model.
        ValueError: If it is too large to ship.
    """
    model = run / "model"
    if not (model / "metrics.json").exists():
        raise FileNotFoundError(f"{run} holds no finished model; run hybrid train --output {run} to the end")
    size = sum(path.stat().st_size for path in model.iterdir())
    if size > MAX_BYTES:
        raise ValueError(f"{model} has {size} bytes, more than the {MAX_BYTES} that ship")
    load(model)  # what cannot be loaded does not replace what can
    shutil.rmtree(BUNDLED, ignore_errors=True)
    BUNDLED.mkdir()
    for path in sorted(model.iterdir()):
        shutil.copyfile(path, BUNDLED / path.name)  # contents only: a run's files may be private to its owner
    return BUNDLED


if __name__ == "__main__":
    sys.stdout.write(f"{bundle(Path(sys.argv[1]))}\n")
