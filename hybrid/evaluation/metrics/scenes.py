"""How often a caption of a drawn scene names the right things."""

from collections.abc import Sequence

import numpy as np

from hybrid.data.scenes import parse_caption


def score_scenes(captions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Compare captions of drawn scenes with the right ones.

    Args:
        captions: What a model said.
        references: What `hybrid.data.scenes.Scene.caption` says.

    Returns:
        For one and for two objects: how many, the share of captions right to the letter (``exact``), and the
        share in which colour and shape of every object are right, in any order (``colour_shape``).
    """
    report: dict[str, float] = {}
    for name, wanted in (("one", 1), ("two", 2)):
        rows = []
        for said, right in zip(captions, references, strict=True):
            truth = parse_caption(right)
            if truth is not None and len(truth[0]) == wanted:
                guess = parse_caption(said)
                rows.append((said == right, guess is not None and _things(guess) == _things(truth)))
        if rows:
            exact, things = np.mean(rows, axis=0)
            report |= {
                f"n_{name}": len(rows),
                f"exact_{name}": float(exact),
                f"colour_shape_{name}": float(things),
            }
    return report


def _things(parsed: tuple[list[tuple[str, str, str]], str | None]) -> list[tuple[str, str]]:
    return sorted((colour, shape) for _, colour, shape in parsed[0])
