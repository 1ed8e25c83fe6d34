"""transformers' Trainer, with checkpoints that are whole and checked."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn
from transformers import Trainer

from hybrid.loading.checkpoints import (
    CheckpointError,
    checkpoints_in,
    discard,
    part_of,
    step_of,
    verify,
    whole_folder,
)

_WEIGHTS = "model.safetensors"


class WholeTrainer(Trainer):  # type: ignore[misc]
    """A checkpoint gets its name when all of it is on disk, with the digests of its files.

    The last checkpoint and the best one are kept.
    """

    _saving = False

    def _get_output_dir(self, trial: Any) -> str:
        folder = Path(super()._get_output_dir(trial))
        return str(part_of(folder / "x").parent if self._saving else folder)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        main = self.is_world_process_zero()
        with whole_folder(folder) if main else nullcontext(part_of(folder)) as part:
            self.accelerator.wait_for_everyone()  # the folder is there
            self._saving = True
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._saving = False
            if main:  # Trainer noted a path that holds only while saving
                self.state.best_model_checkpoint = None
                self.state.save_to_json(str(part / "trainer_state.json"))
            self.accelerator.wait_for_everyone()  # every process has written its random state
        self.accelerator.wait_for_everyone()
        if main:
            for old in checkpoints_in(folder.parent):
                if step_of(old) not in (self.state.global_step, self.state.best_global_step):
                    discard(old)

    def write_weights(self, file: Path) -> None:
        """Write what a checkpoint is to hold of the model; all of it, where this is not overridden."""
        save_model(self.model, str(file))

    def read_weights(self, model: nn.Module, file: Path) -> None:
        """Put back what `write_weights` wrote."""
        load_model(model, file)

    def take(self, checkpoint: Path) -> None:
        """Take the weights of a checkpoint.

        Raises:
            CheckpointError: If it is damaged.
        """
        self._load_from_checkpoint(str(checkpoint))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        if self.args.should_save:
            assert output_dir is not None
            self.write_weights(Path(output_dir) / _WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        verify(Path(resume_from_checkpoint))
        self.read_weights(model or self.model, Path(resume_from_checkpoint) / _WEIGHTS)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _no_code(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _no_code(checkpoint):
            super()._load_rng_state(checkpoint)


@contextmanager
def _no_code(checkpoint: str | None) -> Iterator[None]:
    """Say what it means that torch, which reads numbers only, refuses a file."""
    try:
        yield
    except UnpicklingError:
        raise CheckpointError(
            str(checkpoint), "holds something else than numbers, which is not read; delete it"
        ) from None
