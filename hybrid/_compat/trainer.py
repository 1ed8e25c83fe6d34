"""The private methods of transformers' Trainer that save and load checkpoints, under public names."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import transformers
from torch import nn
from torch.utils.data import Sampler
from transformers import Trainer

# Called by Trainer. Were one renamed, an override would never run, and a checkpoint be written unchecked.
HOOKS = (
    "_get_output_dir",
    "_get_train_sampler",
    "_load_from_checkpoint",
    "_load_optimizer_and_scheduler",
    "_load_rng_state",
    "_save",
    "_save_checkpoint",
)


class HookedTrainer(Trainer):  # type: ignore[misc]
    """Trainer with a method to override for each step of saving and loading.

    Raises:
        RuntimeError: If this Trainer does not have the methods that call these.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        missing = [name for name in HOOKS if not hasattr(Trainer, name)]
        if missing:
            raise RuntimeError(
                f"transformers must have Trainer.{missing[0]}, by which checkpoints are checked, but version "
                f"{transformers.__version__} has not. Install the version in constraints.txt."
            )
        super().__init__(*args, **options)

    def output_folder(self, folder: Path) -> Path:
        """Where checkpoints go; `folder` by default."""
        return folder

    def save_checkpoint(self, save: Callable[[], None]) -> None:
        """Save a checkpoint by calling `save`."""
        save()

    def save_weights(self, folder: Path) -> None:
        """Write the weights of a checkpoint."""
        raise NotImplementedError

    def load_weights(self, folder: Path, model: nn.Module | None) -> None:
        """Read the weights of a checkpoint, into the Trainer's own model if `None`."""
        raise NotImplementedError

    def reading(self, folder: str | None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Entered while the optimiser's state or the random state of a checkpoint is read."""
        return nullcontext()

    def train_sampler(self, data: Any) -> Sampler[int] | None:
        """The order of the training data; Trainer's own by default."""
        sampler: Sampler[int] | None = super()._get_train_sampler(data)
        return sampler

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.output_folder(Path(super()._get_output_dir(trial))))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        save = super()._save_checkpoint
        self.save_checkpoint(lambda: save(model, trial))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        if self.args.should_save:
            assert output_dir is not None
            self.save_weights(Path(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.load_weights(Path(resume_from_checkpoint), model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with self.reading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with self.reading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        return self.train_sampler(self.train_dataset if train_dataset is None else train_dataset)
