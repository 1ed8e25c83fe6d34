"""How much of a bare loop's speed training on captions keeps, step by step in one run.

    python -m benchmarks.caption_training --data captions.csv --vision DIR --language DIR

Bare is a forward and a backward of the frozen language model on the same batch, with logits where there are
labels, in the same precision: no LoRA, connector, optimiser, data loading or log. Run it on a machine that
does nothing else.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.connectors import parser_of
from hybrid.data.batches import IGNORED
from hybrid.data.pairs import choose_split, read_pairs
from hybrid.loading.load import build_base
from hybrid.training.caption_recipe import CaptionRecipe, load_caption_recipe
from hybrid.training.caption_stage import Setting, Stage
from hybrid.training.caption_trainer import CaptionTrainer
from hybrid.training.captions import CaptionRun
from hybrid.training.progress import to_stderr


class Bare:
    """Steps of a language model alone."""

    def __init__(self, recipe: CaptionRecipe) -> None:
        model, _ = build_base(recipe.base, recipe.connector, recipe.prompt)
        self.model: Any = model.language_model.requires_grad_(False).train()
        self.bf16 = recipe.precision == "bf16"

    def __call__(self, batch: dict[str, Tensor]) -> None:
        """One forward and backward; a place of the picture is the first word of all."""
        words = self.model.get_input_embeddings()
        ids, labels = batch["input_ids"], batch["labels"]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self._loss(words, ids, labels, batch["attention_mask"])
        torch.autograd.backward(loss)

    def _loss(self, words: Any, ids: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        embedded = words(ids.where(ids < words.num_embeddings, 0)).requires_grad_()
        first = int((labels != IGNORED).any(0).nonzero()[0, 0])
        states = self.model.base_model(inputs_embeds=embedded, attention_mask=mask)[0]
        logits = self.model.lm_head(states[:, first - 1 : -1].contiguous())
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, first:].flatten())


def measured(recipe: CaptionRecipe, pairs: Sequence[Any], skipped: int) -> list[tuple[float, float]]:
    """Seconds a caption of training and of the bare loop, batch by batch; the first steps compile."""
    bare = Bare(recipe)
    found: list[tuple[float, float]] = []

    class Timed(CaptionTrainer):
        """Times whole steps from the begin of one to that of the next, without the bare ones between."""

        begun = alone = 0.0
        size = 1

        def training_step(self, model: nn.Module, inputs: dict[str, Tensor], *rest: Any) -> Tensor:
            start = time.perf_counter()
            if self.state.global_step > skipped:
                found.append(((start - self.begun) / self.size, self.alone))
            self.size = len(inputs["input_ids"])
            bare(inputs)
            self.begun = time.perf_counter()
            self.alone = (self.begun - start) / self.size
            loss: Tensor = super().training_step(model, inputs, *rest)
            return loss

    class TimedRun(CaptionRun):
        def stage(self, name: str, number: int, epochs: float) -> Stage:
            return replace(super().stage(name, number, epochs), trainer=Timed)

    with tempfile.TemporaryDirectory() as folder:
        TimedRun(recipe, pairs, [], Path(folder) / "run", Setting(log=to_stderr)).run()
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = parser_of(__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--precision", choices=["no", "bf16"], default="no", help="of both")
    options = parser.parse_args(arguments)
    recipe = load_caption_recipe("smollm2", vision=options.vision, language=options.language)
    pairs = choose_split(read_pairs(options.data), "train")
    captions = sum(len(pair.captions) for pair in pairs)
    recipe = replace(
        recipe,
        words_epochs=0.0,
        connector_epochs=0.0,
        agreeing_captions=0,
        longest_caption=0,
        precision=options.precision,
        epochs=options.steps * recipe.batch_size / captions,
        reward_epochs=0.0,
    )
    found = measured(recipe, pairs, options.steps // 4)
    training, bare = (round(1 / statistics.median(seconds), 2) for seconds in zip(*found, strict=True))
    low, middle, high = statistics.quantiles((alone / whole for whole, alone in found), n=4)
    print(f"{training} captions a second, bare {bare}; share {middle:.3f} ({low:.3f} to {high:.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
