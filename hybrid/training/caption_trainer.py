"""Trainer for captions: small checkpoints, batches of similar length, and no logits of the prompt."""

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hybrid.data.batches import IGNORED
from hybrid.data.caption_dataset import CaptionDataset
from hybrid.loading.adapter import load_trained, trained_tensors
from hybrid.loading.checkpoints import checkpoints_in, step_of
from hybrid.training.whole_trainer import WholeTrainer

LossFunction = Callable[..., Tensor]
_CHUNK = 32  # batches: within so many, captions are sorted by length


class ByLength(torch.utils.data.Sampler[int]):
    """Every index once, ordered into batches of captions of similar length, to save padding.

    The order depends on seed and epoch only, so a resumed run gets the same batches; and so does which view
    of its picture each caption is learnt with.

    Args:
        data: The captions.
        batch_size: Captions a batch.
        seed: Decides the order, with the epoch.
    """

    def __init__(self, data: CaptionDataset, batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.seed, self.epoch = data, batch_size, seed, 0
        self.lengths = data.lengths()

    def set_epoch(self, epoch: int) -> None:
        """Let another order follow."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.lengths))
        size = _CHUNK * self.batch_size
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        order = np.concatenate([c[np.argsort(self.lengths[c], kind="stable")] for c in chunks])
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        last = [batches.pop()] if len(batches[-1]) < self.batch_size else []  # a short one stays the last
        shuffled = rng.permutation(len(batches))
        self.data.choose_views(rng)
        for i in shuffled:
            yield from batches[i].tolist()
        for batch in last:
            yield from batch.tolist()


class CaptionTrainer(WholeTrainer):
    """Saves connector and LoRA only, reads captions of like length together, and scores no prompt.

    Attributes:
        label_smoothing: Share of each label that is spread over the vocabulary, in training.
    """

    label_smoothing = 0.0

    def train_sampler(self, data: Any) -> ByLength:
        """See `HookedTrainer.train_sampler`."""
        size: int = self.args.per_device_train_batch_size
        return ByLength(data, size, self.args.data_seed)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor | tuple[Tensor, Any]:
        """See Trainer. Logits are computed from the last place before the first label on.

        The head is a fifth of a small language model's weights, and pictures and prompts are half of the
        places.
        """
        self.compute_loss_func = self.loss_function(model)
        language = self.model.language_model
        language = language.get_base_model() if hasattr(language, "get_base_model") else language
        if "logits_to_keep" not in signature(language.forward).parameters:
            whole: Tensor | tuple[Tensor, Any] = super().compute_loss(model, inputs, *args, **kwargs)
            return whole
        labels = inputs["labels"]
        first = int((labels != IGNORED).any(0).nonzero()[0, 0])
        keep = labels.shape[1] - max(first - 1, 0)
        kept = inputs | {"labels": labels[:, -keep:], "logits_to_keep": keep}
        loss: Tensor | tuple[Tensor, Any] = super().compute_loss(model, kept, *args, **kwargs)
        return loss

    def loss_function(self, model: nn.Module) -> LossFunction | None:
        """What makes a loss of outputs, labels and the number of items in a step; the model's own if none.

        Trainer's own smoothing does not shift labels for a class it does not know.
        """
        return self._smoothed if self.label_smoothing and model.training else None

    @staticmethod
    def verdict(best: float) -> str:
        """What the lowest loss in evaluation is, in words."""
        return f"validation loss {best:.4f}"

    def _smoothed(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        logits, labels = outputs["logits"][:, :-1], labels[:, 1:]
        total = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)

    def write_weights(self, file: Path) -> None:
        """See `WholeTrainer.write_weights`."""
        save_file(trained_tensors(self.model), file)

    def read_weights(self, model: nn.Module, file: Path) -> None:
        """See `WholeTrainer.read_weights`."""
        load_trained(model, file)

    def load_best(self) -> None:
        """Take the weights of the checkpoint with the lowest validation loss, or of the last one."""
        kept = {step_of(path): path for path in checkpoints_in(Path(self.args.output_dir))}
        self.take(kept.get(self.state.best_global_step or -1) or kept[max(kept)])
