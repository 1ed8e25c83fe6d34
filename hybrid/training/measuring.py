"""Stage: scores of the trained miniature and its counterparts, its detector and its model card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hybrid.data.features import cached_features
from hybrid.data.scene_arrays import SceneArrays
from hybrid.evaluation.metrics.scenes import score_scenes
from hybrid.evaluation.scenes import captions_of_features
from hybrid.loading.load import use_backend
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.training.model_card import write_card
from hybrid.training.out_of_distribution import N_SCENES, scene_detector
from hybrid.training.recipe import Recipe


def measure(folder: Path, recipe: Recipe, scenes: SceneArrays, seed: int, log: Callable[[str], None]) -> None:
    """Score the models of a run; write ``metrics.json``, the detector and the model card beside the model.

    Args:
        folder: Of the run.
        recipe: How it was trained.
        scenes: Pictures that were held out.
        seed: Of the run.
        log: Called with one line per model.
    """
    report: dict[str, Any] = {"seed": seed}
    for name, where in (
        ("quantum", folder / "model"),
        ("quantum forerunner", folder / "quantum" / "model"),
        ("classical", folder / "classical" / "model"),
        ("narrow classical", folder / "bottleneck" / "model"),
    ):
        model = HybridForConditionalGeneration.from_pretrained(where)
        processor = HybridProcessor.from_pretrained(where)
        features = cached_features(folder / "features" / "held-out.npy", model, scenes.pixels)
        report[name] = {
            token: score_scenes(
                captions_of_features(model, processor, features, token, seed), scenes.captions()
            )
            for token in ("picture", "shuffled", "zeroed")
        }
        if name == "quantum":
            use_backend(model, "jax", recipe.device.shots, seed=seed)
            said = captions_of_features(model, processor, features)
            report[name]["shots"] = score_scenes(said, scenes.captions())
        report[name]["connector_parameters"] = sum(p.numel() for p in model.connector.parameters())
        log(f"{name}: {report[name]['picture']}")
    report["seconds"] = {
        path.parent.name: json.loads(path.read_text())["seconds"]
        for path in sorted(folder.glob("*/done.json"))
    }
    where, n_scenes = folder / "model", min(N_SCENES, recipe.scenes.train)
    scene_detector(seed, n_scenes).save(where)
    (where / "metrics.json").write_text(json.dumps(report, indent=1) + "\n")
    write_card(where, recipe, report)
