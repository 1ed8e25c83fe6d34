"""Connectors before one language model, each trained alike from several seeds: what the circuit is worth.

    python -m benchmarks.connectors --data captions.csv --vision DIR --language DIR

Vision tower, language model, LoRA, stages, rates, captions and their order are the same for all; only what
makes tokens of features differs. A comparison that is stopped goes on with the connector it was at; the table
in docs/photographs.md is made of all that were finished.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmarks.documents import RESULTS
from benchmarks.writing import table
from hybrid.data.caption_dataset import PairDataset
from hybrid.data.feature_cache import default_cache, features_of
from hybrid.data.pairs import Pair, choose_split, read_pairs
from hybrid.evaluation.captions import evaluate, perplexity
from hybrid.model.connectors import Connector
from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.connector import apart
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.training.caption_choice import choose_captions
from hybrid.training.caption_recipe import CaptionRecipe, load_caption_recipe
from hybrid.training.caption_stage import Setting
from hybrid.training.captions import CaptionRun
from hybrid.training.progress import to_stderr

FILE = RESULTS / "connectors.json"
WIDTH, N_TOKENS = 10, 5  # numbers a token, and qubits; but where sizes are varied
QUBITS, TOKENS = (4, 6, 8, 10, 12), (1, 5, 10, 17)
_COMMON: dict[str, Any] = {"n_tokens": N_TOKENS, "normed": True, "start": "smooth"}


class Blind(ClassicalConnector):
    """Tokens that are trained, and the same for every picture."""

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        return super().tokens(torch.zeros_like(x))


class Frozen(QuantumConnector):
    """A random circuit that is not trained."""

    def reset_parameters(self) -> None:
        """See `QuantumConnector.reset_parameters`; the circuit's weights are uniform in (0, 2 pi)."""
        super().reset_parameters()
        nn.init.uniform_(self.projection.circuit.weights, 0.0, 2 * math.pi)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """See torch; the circuit's weights never do."""
        super().requires_grad_(requires_grad)
        self.projection.circuit.requires_grad_(False)
        return self


class Residual(ClassicalConnector):
    """The linear connector with a small network in the circuit's place: as many weights as that has."""

    def __init__(self, *sizes: int, hidden: int = 3, **options: Any) -> None:
        super().__init__(*sizes, **options)
        width = self.gate.in_features
        self.out, self.back = nn.Linear(width, hidden), nn.Linear(hidden, width, bias=False)

    def reset_parameters(self) -> None:
        """See `Connector.reset_parameters`."""
        super().reset_parameters()
        self.out.reset_parameters()
        self.back.reset_parameters()

    def learning_rates(self, share: float) -> dict[str, float]:
        """See `Connector.learning_rates`."""
        own = {"out": share / self.out.in_features, "back": share / self.back.in_features}
        return super().learning_rates(share) | own

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        z = self.projector(x).reshape(len(x), self.n_tokens, -1)
        return apart(self.gate, z + self.back(torch.tanh(self.out(z))), self.n_tokens)


class Wide(ClassicalConnector):
    """A network of one hidden layer, ten times as wide."""

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        return apart(self.gate, nn.functional.gelu(self.projector(x)), self.n_tokens)


def _quantum(kind: type[QuantumConnector], **own: int) -> Callable[..., Connector]:
    options = _COMMON | {"n_qubits": WIDTH, "n_layers": 3, "ansatz": "simplified_two_design"} | own
    return lambda *sizes: kind(*sizes, **options)


def _classical(kind: type[ClassicalConnector], width: int) -> Callable[..., Connector]:
    return lambda *sizes: kind(*sizes, width=width, **_COMMON)


ARMS: dict[str, Callable[..., Connector]] = {
    "no picture": _classical(Blind, WIDTH),
    "linear": _classical(ClassicalConnector, WIDTH),
    "quantum": _quantum(QuantumConnector),
    "quantum, circuit random and frozen": _quantum(Frozen),
    "network with the circuit's number of weights": _classical(Residual, WIDTH),
    "wide network": _classical(Wide, 10 * WIDTH),
}
KINDS = tuple(ARMS)
SIZED = {("width", n): f"quantum, {n} qubits" for n in QUBITS if n != WIDTH}
SIZED |= {("tokens", n): f"quantum, {n} tokens" for n in TOKENS if n != N_TOKENS}
ARMS |= {
    name: _quantum(QuantumConnector, **{"n_qubits" if varied == "width" else "n_tokens": n})
    for (varied, n), name in SIZED.items()
}


class Run(CaptionRun):
    """One connector from one seed.

    Args:
        arm: Key of `ARMS`.
        held: Pictures and references to score on.
        *rest: As for `CaptionRun`.
    """

    def __init__(self, arm: str, held: list[Pair], *rest: Any) -> None:
        super().__init__(*rest)
        self.arm, self.held = arm, held
        self.found: dict[str, Any] = {}

    def begin(self) -> Any:
        """See `CaptionRun.begin`; the connector is the arm's."""
        model, processor, *others = super().begin()
        model.connector = ARMS[self.arm](model.config.vision_hidden_size, model.config.hidden_size)
        processor.n_image_tokens = model.n_vision_tokens
        return model, processor, *others

    def finish(self, _: Path, model: Any, processor: Any, *__: Any) -> None:
        """Score, in place of saving."""
        features = features_of(self.held, model, processor, self.setting.cache or default_cache())
        tokens = ("picture", "shuffled")
        scores, said = evaluate(
            model, processor, self.held, features, tokens=tokens, with_perplexity=False, max_new_tokens=24
        )
        one = [replace(pair, captions=pair.captions[:1]) for pair in self.held]
        data = PairDataset(one, features, processor, model.config.context)
        self.found = {
            "arm": self.arm,
            "seed": self.recipe.seed,
            "weights": sum(p.numel() for p in model.connector.parameters()),
            "different": len(set(said)),
            **{f"loss, {token}": math.log(perplexity(model, data, token)) for token in tokens},
            **{f"cider_d, {token}": scores[token]["cider_d"] for token in tokens},
        }


def compare(options: argparse.Namespace) -> None:
    """Train and score what is not in the file of results yet."""
    pairs = read_pairs(options.data)
    recipe = load_caption_recipe("smollm2", vision=options.vision, language=options.language)
    held = choose_captions(choose_split(pairs, "val")[: options.pictures], plain=True)
    # Chosen here, once for all runs, and so not by the recipe.
    training = choose_captions(
        choose_split(pairs, "train"),
        agreeing=recipe.agreeing_captions,
        longest=recipe.longest_caption,
        plain=True,
    )
    recipe = replace(
        recipe,
        plain_captions=False,
        agreeing_captions=0,
        longest_caption=0,
        connector={"type": "classical", "width": WIDTH, **_COMMON},  # its place is taken by the arm's
        words_epochs=options.words,
        connector_epochs=0.0,
        epochs=options.steps * recipe.batch_size / sum(len(pair.captions) for pair in training),
        reward_epochs=0.0,
        evaluate_every=options.steps,
        precision="no",  # whatever the processor: runs from several machines stand in one table
    )
    settings = {
        "words": options.words,
        "steps": options.steps,
        "captions": options.steps * recipe.batch_size,
        "pictures": options.pictures,
    }
    found = json.loads(options.output.read_text()) if options.output.exists() else {**settings, "runs": []}
    if any(found[name] != value for name, value in settings.items()):
        raise SystemExit(f"{options.output} holds runs of other settings; give another --output")
    done = {(run["arm"], run["seed"]) for run in found["runs"]}
    for seed in options.seeds:
        for arm in options.arms or KINDS:
            if (arm, seed) not in done:
                found["runs"].append(_one(arm, seed, recipe, training, held))
                to_stderr(json.dumps(found["runs"][-1]))
                options.output.write_text(json.dumps(found, indent=1) + "\n")


def _one(
    arm: str, seed: int, recipe: CaptionRecipe, training: list[Pair], held: list[Pair]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(
            arm, held, replace(recipe, seed=seed), training, [], Path(folder) / "run", Setting(log=to_stderr)
        )
        run.run()
    return run.found


def written(found: dict[str, Any]) -> str:
    """The table: medians over the seeds, least and most in brackets; linear is compared seed by seed."""
    linear = {run["seed"]: run["loss, picture"] for run in found["runs"] if run["arm"] == "linear"}
    rows = []
    for arm in dict.fromkeys(run["arm"] for run in found["runs"] if run["arm"] in KINDS):
        runs = [run for run in found["runs"] if run["arm"] == arm]
        gaps = [run["loss, shuffled"] - run["loss, picture"] for run in runs]
        above = [
            run["loss, picture"] - linear[run["seed"]]
            for run in runs
            if arm != "linear" and run["seed"] in linear
        ]
        columns = [
            [run["loss, picture"] for run in runs],
            above,
            gaps,
            [run["cider_d, picture"] for run in runs],
            [run["cider_d, shuffled"] for run in runs],
        ]
        rows.append([arm, len(runs), f"{runs[0]['weights']:,}", *map(_middle, columns)])
    head = [
        "connector",
        "seeds",
        "weights",
        "loss",
        "above linear",
        "gap",
        "CIDEr-D",
        "CIDEr-D, another's picture",
    ]
    size = (
        f"{found['captions']:,} captions each, scored on the first {found['pictures']:,} photographs of val."
    )
    return f"{size}\n\n{table(head, rows)}"


def _middle(values: list[float]) -> str:
    if not values:
        return ""
    middle = f"{statistics.median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"


def parser_of(module: str | None) -> argparse.ArgumentParser:
    """A parser of what all commands on photographs take.

    Args:
        module: The docstring of the command's module.
    """
    parser = argparse.ArgumentParser(description=(module or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="captions with parts 'train' and 'val'")
    parser.add_argument("--vision", help="vision tower; by default that of the preset smollm2")
    parser.add_argument("--language", help="language model; by default that of the preset smollm2")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), metavar="ARM", help="by default all kinds, of one size"
    )
    parser.add_argument(
        "--sizes",
        dest="arms",
        action="store_const",
        const=[*SIZED.values()],
        help="quantum ones of other sizes",
    )
    parser.add_argument("--words", type=float, default=8.0, help="passes over the words first")
    parser.add_argument("--steps", type=int, default=80, help="of 16 captions")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pictures", type=int, default=150, help="of val, to score on")
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    compare(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
