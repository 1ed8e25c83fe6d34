"""transformers' Trainer, with checkpoints that are small, whole and checked."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors.torch import save_file
from torch import nn
from transformers import Trainer

from hybrid.adapters import load_trained, trained_tensors
from hybrid.checkpoints import (
    CheckpointError,
    checkpoints_in,
    discard,
    part_of,
    step_of,
    verify,
    whole_folder,
)

_WEIGHTS = "model.safetensors"


class CaptionTrainer(Trainer):  # type: ignore[misc]
    """Saves only what is trained; a checkpoint gets its name when all of it is on disk.

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

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        if self.args.should_save:
            assert output_dir is not None
            save_file(trained_tensors(self.model), Path(output_dir) / _WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        verify(Path(resume_from_checkpoint))
        load_trained(model or self.model, Path(resume_from_checkpoint) / _WEIGHTS)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _no_code(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with _no_code(checkpoint):
            super()._load_rng_state(checkpoint)

    def load_best(self) -> None:
        """Take the weights of the checkpoint with the lowest validation loss, or of the last one."""
        kept = {step_of(path): path for path in checkpoints_in(Path(self.args.output_dir))}
        best = kept.get(self.state.best_global_step or -1) or kept[max(kept)]
        self._load_from_checkpoint(str(best))


@contextmanager
def _no_code(checkpoint: str | None) -> Iterator[None]:
    """Say what it means that torch, which reads numbers only, refuses a file."""
    try:
        yield
    except UnpicklingError:
        raise CheckpointError(
            f"checkpoint {checkpoint}: holds something else than numbers, which is not read; delete it"
        ) from None
