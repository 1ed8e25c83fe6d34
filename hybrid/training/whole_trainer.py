"""transformers' Trainer, with checkpoints that are whole and checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from hybrid._compat.trainer import HookedTrainer
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


class WholeTrainer(HookedTrainer):
    """A checkpoint gets its name when all of it is on disk, with the digests of its files.

    The last checkpoint and the best one are kept.
    """

    _saving = False

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002
        """See Trainer. They are not counted: it would go through all modules for it, at every step."""
        return 0

    def output_folder(self, folder: Path) -> Path:
        """See `HookedTrainer.output_folder`."""
        return part_of(folder / "x").parent if self._saving else folder

    def save_checkpoint(self, save: Callable[[], None]) -> None:
        """See `HookedTrainer.save_checkpoint`."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        main = self.is_world_process_zero()
        with whole_folder(folder) if main else nullcontext(part_of(folder)) as part:
            self.accelerator.wait_for_everyone()  # the folder is there
            self._saving = True
            try:
                save()
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
        self.load_weights(checkpoint, None)

    def save_weights(self, folder: Path) -> None:
        """See `HookedTrainer.save_weights`."""
        self.write_weights(folder / _WEIGHTS)

    def load_weights(self, folder: Path, model: nn.Module | None) -> None:
        """See `HookedTrainer.load_weights`."""
        verify(folder)
        self.read_weights(model or self.model, folder / _WEIGHTS)

    @contextmanager
    def reading(self, folder: str | None) -> Iterator[None]:
        """Turn torch's refusal to unpickle code into an error that says what to do."""
        try:
            yield
        except UnpicklingError:
            raise CheckpointError(
                str(folder), "holds something else than numbers, which is not read; delete it"
            ) from None
