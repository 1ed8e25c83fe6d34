"""How the bundled model's captions fare against noise and shots: figures and a picture, by one command.

    python -m benchmarks.caption_noise --pictures 100

Exact captions of drawn scenes that no model has seen, one and two objects apart.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.evaluation.metrics.scenes import score_scenes
from hybrid.evaluation.scenes import captions_of_features
from hybrid.loading.load import use_backend
from hybrid.training.progress import to_stderr
from qproj.noise import Channel, NoiseModel, parse

RESULTS = Path(__file__).parent / "results"
SEED = 20_001  # far from those of training, which count from 0
SHOTS = (None, 100_000, 10_000, 1_000, 100)
DEPOLARIZING = (0.0, 0.0001, 0.001, 0.01)
READOUT = (0.0, 0.001, 0.01, 0.05)


def settings() -> list[dict[str, Any]]:
    """What is measured: each kind of error by itself."""
    return [
        *({"shots": shots} for shots in SHOTS),
        *({"depolarizing": p} for p in DEPOLARIZING[1:]),
        *({"readout": p} for p in READOUT[1:]),
    ]


def noise_of(setting: dict[str, Any]) -> NoiseModel | None:
    """The noise model of a setting."""
    p = setting.get("depolarizing")
    found = parse("", setting.get("readout"))
    return NoiseModel(Channel("DepolarizingChannel", p)) if p else found


def measured(pictures: int, seed: int) -> list[dict[str, Any]]:
    """Scores of the bundled model under every setting.

    Args:
        pictures: How many scenes are drawn.
        seed: Of scenes and errors.
    """
    import torch

    model, processor = hybrid.load()
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng) for _ in range(pictures)]
    pixels = torch.cat([processor.pixel_values(draw_scene(scene, rng)) for scene in scenes])
    with torch.inference_mode():
        features = model.vision_features(pixels).numpy()
    rows = []
    for setting in settings():
        use_backend(
            model, "jax", setting.get("shots"), noise_of(setting), seed if any(setting.values()) else None
        )
        said = captions_of_features(model, processor, features)
        rows.append({**setting, **score_scenes(said, [scene.caption for scene in scenes])})
        to_stderr(json.dumps(rows[-1]))
    return rows


def draw(rows: list[dict[str, Any]], picture: Path) -> None:
    """Draw scores over shots, depolarizing and readout errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    exact = next(row for row in rows if "shots" in row and row["shots"] is None)
    for axes, name in zip(
        figure.subplots(1, 3, sharey=True), ("shots", "depolarizing", "readout"), strict=True
    ):
        points = [row for row in rows if row.get(name)]
        for key, label in (("exact_one", "one object"), ("exact_two", "two objects")):
            if key in exact:
                (line,) = axes.plot(
                    [row[name] for row in points], [row[key] for row in points], "o-", label=label
                )
                axes.axhline(exact[key], color=line.get_color(), linestyle=":", linewidth=1)
        axes.set(xscale="log", xlabel=name, ylim=(0, 1.02))
    figure.axes[0].set_ylabel("exact captions")
    figure.axes[0].legend()
    figure.savefig(picture)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, default=RESULTS / "caption-noise.json")
    options = parser.parse_args(arguments)
    rows = measured(options.pictures, options.seed)
    found = {"pictures": options.pictures, "seed": options.seed, "scores": rows}
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    draw(rows, options.output.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
