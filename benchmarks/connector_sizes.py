"""What passes a connector of photographs: by qubits, by tokens, and by shots.

    python -m benchmarks.connector_sizes --data captions.csv --vision DIR --language DIR

For qubits and tokens, fresh connectors learn to name the captions' words without the language model
(`hybrid.training.words`), quantum and linear ones alike. For shots, `--model photos` captions photographs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import hybrid
from benchmarks.connectors import N_TOKENS, QUBITS, SIZED, TOKENS, WIDTH, parser_of
from benchmarks.documents import RESULTS
from benchmarks.writing import table
from hybrid.data.caption_dataset import PairDataset
from hybrid.data.feature_cache import default_cache, features_of
from hybrid.data.pairs import Pair, choose_split, read_pairs
from hybrid.evaluation.metrics import score_captions
from hybrid.evaluation.scenes import captions_of_features
from hybrid.loading.load import build_base, use_backend
from hybrid.model.connectors import build_connector, fresh_connector
from hybrid.training.caption_choice import choose_captions
from hybrid.training.caption_recipe import load_caption_recipe
from hybrid.training.progress import to_stderr
from hybrid.training.words import Naming, Words, name_words

FILE = RESULTS / "connector-sizes.json"
SHOTS = (None, 100_000, 10_000, 1_000)
METRICS = ("bleu_1", "bleu_4", "rouge_l", "cider_d")


@torch.inference_mode()
def loss_of(naming: Naming, ids: Sequence[int], held: PairDataset) -> float:
    """Cross-entropy a picture."""
    return float(naming(**Words(held, ids).__getitems__(range(len(held.features))))["loss"])


def by_size(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Losses of a quantum and a linear connector of each size."""
    recipe = load_caption_recipe("smollm2", vision=options.vision, language=options.language)
    recipe = replace(recipe, words_epochs=options.words, seed=options.seed)
    model, processor = build_base(recipe.base, recipe.connector, recipe.prompt)
    pairs = read_pairs(options.data)

    def part(name: str) -> PairDataset:
        chosen = choose_captions(choose_split(pairs, name), plain=True)
        features = features_of(chosen, model, processor, default_cache())
        return PairDataset(chosen, features, processor, model.config.context)

    train, held, rows = part("train"), part("val"), []
    embeddings = model.get_input_embeddings().weight
    sizes = [(n, N_TOKENS) for n in options.qubits] + [(WIDTH, n) for n in options.tokens]
    for width, tokens in dict.fromkeys(sizes):
        for kind, own in (("quantum", {"n_qubits": width}), ("linear", {"width": width})):
            torch.manual_seed(options.seed)
            spec = fresh_connector("quantum" if kind == "quantum" else "classical", n_tokens=tokens, **own)
            connector = build_connector(spec, model.config.vision_hidden_size, model.config.hidden_size)
            connector.speak_to(embeddings)  # type: ignore[arg-type]
            connector.standardise_to(torch.from_numpy(train.features))
            model.connector = connector.requires_grad_(True)
            with tempfile.TemporaryDirectory() as folder:
                found = name_words(model, train, Path(folder), recipe)
            rows.append({"kind": kind, "width": width, "tokens": tokens, "loss": loss_of(*found, held)})
            to_stderr(json.dumps(rows[-1]))
    return rows


def by_shots(pairs: Sequence[Pair], shots: Sequence[int | None], seed: int) -> list[dict[str, Any]]:
    """Scores of the captions of `photos`."""
    model, processor = hybrid.load("photos")
    features = features_of(pairs, model, processor, default_cache())
    rows = []
    for n in shots:
        use_backend(model, "jax", n, seed=None if n is None else seed)
        said = captions_of_features(model, processor, features, max_new_tokens=24)
        rows.append({"shots": n, **score_captions(said, [pair.captions for pair in pairs], "words")})
        to_stderr(json.dumps(rows[-1]))
    return rows


def written(found: dict[str, Any], runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The tables of the documents.

    Args:
        found: What this command found.
        runs: What `benchmarks.connectors` found of captions.
    """
    captioned = {run["arm"]: run for run in runs if run["seed"] == found["seed"]}

    def sizes(varied: str, other: str, usual: int) -> str:
        chosen = [row for row in found["sizes"] if row[other] == usual]
        losses = {(row["kind"], row[varied]): f"{row['loss']:.2f}" for row in chosen}
        head = ["qubits, or numbers" if varied == "width" else varied, "words, quantum", "words, linear"]
        rows = [
            [n, losses["quantum", n], losses["linear", n]] for n in sorted({row[varied] for row in chosen})
        ]
        if any(SIZED.get((varied, n)) in captioned for n, *_ in rows):
            head += ["captions, quantum", "CIDEr-D"]
            for row in rows:
                run = captioned.get(SIZED.get((varied, row[0]), "quantum"), {})
                row += [f"{run[name]:.3f}" if run else "" for name in ("loss, picture", "cider_d, picture")]
        return table(head, rows)

    shots = [
        ["exact" if row["shots"] is None else f"{row['shots']:,}", *(f"{row[name]:.3f}" for name in METRICS)]
        for row in found["shots"]
    ]
    return {
        "connectors by qubits": sizes("width", "tokens", N_TOKENS),
        "connectors by tokens": sizes("tokens", "width", WIDTH),
        "photos by shots": f"The first {found['pictures']:,} photographs of val.\n\n"
        + table(["shots", *METRICS], shots),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = parser_of(__doc__)
    parser.add_argument("--words", type=float, default=8.0, help="passes over the words")
    parser.add_argument("--qubits", type=int, nargs="*", default=QUBITS)
    parser.add_argument("--tokens", type=int, nargs="*", default=TOKENS)
    parser.add_argument("--shots", type=int, nargs="*", default=SHOTS, help="of photos; none if empty")
    parser.add_argument("--pictures", type=int, default=150, help="of val, to caption with shots")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"words": options.words, "pictures": options.pictures, "seed": options.seed}
    found["sizes"] = by_size(options)
    pairs = choose_captions(choose_split(read_pairs(options.data), "val"), plain=True)[: options.pictures]
    found["shots"] = by_shots(pairs, options.shots, options.seed) if options.shots else []
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
