"""Training on captions: checkpoints hold only what is trained."""

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from hybrid.loading.adapter import load_trained, trained_tensors
from hybrid.loading.checkpoints import checkpoints_in, step_of
from hybrid.training.whole_trainer import WholeTrainer


class CaptionTrainer(WholeTrainer):
    """Saves connector and LoRA only."""

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
