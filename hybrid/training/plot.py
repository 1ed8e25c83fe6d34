"""The losses of a run as a picture."""

import json
from collections.abc import Sequence
from pathlib import Path


def plot_losses(logs: Sequence[Path], picture: Path) -> bool:
    """Draw training and validation losses over the steps of all stages.

    Args:
        logs: JSONL logs, a stage each.
        picture: Where to draw.

    Returns:
        Whether it was drawn: it needs matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    begin = 0
    for log in logs:
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        for key, style in (("loss", "-"), ("eval_loss", "o--")):
            points = {row["step"] + begin: row[key] for row in rows if key in row}
            label = f"{log.parent.name}: {'training' if key == 'loss' else 'validation'}"
            axes.plot(list(points), list(points.values()), style, label=label, markersize=4)
        begin += max((row["step"] for row in rows), default=0)
    axes.set(xlabel="optimiser step", ylabel="cross-entropy per token (nats)")
    axes.legend()
    figure.savefig(picture, dpi=120)
    return True
