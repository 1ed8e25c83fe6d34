"""transformers' Trainer as every stage uses it."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainerState, TrainingArguments

from hybrid.loading.checkpoints import checkpoints_in, step_of, verify
from hybrid.training.progress import PlainProgress, Progress, to_stderr
from hybrid.training.run_folder import write_whole
from hybrid.training.whole_trainer import WholeTrainer

LOG = "log.jsonl"
_Trainer = TypeVar("_Trainer", bound=WholeTrainer)


class LogFile(TrainerCallback):  # type: ignore[misc]
    """Appends every log record to a JSONL file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if not state.is_world_process_zero:
            return
        with self.path.open("a") as stream:
            stream.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


class Patience(TrainerCallback):  # type: ignore[misc]
    """Early stopping after so many evaluations without a lower loss; 0 for none.

    Evaluations are counted in the log that checkpoints hold, so a resumed run counts them all.
    """

    def __init__(self, evaluations: int) -> None:
        self.evaluations = evaluations

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if self.lost(state.log_history):
            control.should_training_stop = True

    def lost(self, log: Iterable[dict[str, Any]]) -> bool:
        """Whether the last evaluations of a log were all without a lower loss."""
        best, since = float("inf"), 0
        for loss in (row["eval_loss"] for row in log if "eval_loss" in row):
            best, since = (loss, 0) if loss < best else (best, since + 1)
        return 0 < self.evaluations <= since


def trainer_arguments(folder: Path, seed: int, **own: Any) -> TrainingArguments:
    """Trainer's settings: what all stages share, and what is the stage's own."""
    shared: dict[str, Any] = {
        "output_dir": str(folder),
        "lr_scheduler_type": "cosine",
        "max_grad_norm": 1.0,
        "use_cpu": not torch.cuda.is_available(),
        "seed": seed,
        "data_seed": seed,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
        "report_to": [],
    }
    return TrainingArguments(**shared | own)


def make_trainer(
    kind: type[_Trainer],
    model: nn.Module,
    data: Dataset[Any],
    arguments: TrainingArguments,
    parameters: list[dict[str, Any]],
    *,
    validation: Dataset[Any] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    log: Callable[[str], None] = to_stderr,
) -> _Trainer:
    """Make a Trainer with AdamW, a log file, and a progress bar if stderr is a TTY.

    Args:
        kind: The Trainer's class, which decides what checkpoints hold.
        model: Returns ``{"loss": ...}`` (or a transformers output) from its batches.
        data: Yields whole batches through ``__getitems__``.
        arguments: See `trainer_arguments`.
        parameters: The optimiser's groups.
        validation: To evaluate on.
        callbacks: More of them.
        log: Called with a line now and then, if there is no progress bar.
    """
    folder = Path(arguments.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        parameters,
        lr=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        betas=(0.9, 0.98),
        fused=True,  # LoRA has hundreds of small tensors
    )
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=validation,
        data_collator=as_it_is,
        optimizers=(optimizer, None),
        callbacks=[LogFile(folder / LOG), *callbacks],
    )
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
    trainer.add_callback(Progress if sys.stderr.isatty() else PlainProgress(folder.name, log))
    return trainer


def train(trainer: WholeTrainer, patience: Patience | None = None) -> None:
    """Train, going on from the last checkpoint in the folder if there is one.

    Args:
        trainer: Ends in the state of the last step.
        patience: Whether a checkpoint was the last one for want of a lower loss.

    Raises:
        CheckpointError: If a checkpoint cannot be written, or the last one is damaged.
    """
    folder = Path(trainer.args.output_dir)
    last = next(reversed(checkpoints_in(folder)), None)
    if last is None:
        trainer.train()
        return
    verify(last)
    if trainer.args.process_index == 0:
        _cut_log(folder / LOG, step_of(last))
    state = TrainerState.load_from_json(str(last / "trainer_state.json"))
    steps = trainer.args.max_steps if trainer.args.max_steps > 0 else state.max_steps
    if state.global_step >= steps or (patience is not None and patience.lost(state.log_history)):
        trainer.state = state
        trainer.take(last)  # complete: Trainer would take one more step
    else:
        trainer.train(resume_from_checkpoint=str(last))


def fit(
    model: nn.Module,
    data: Dataset[Any],
    folder: Path,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    weight_decay: float = 0.01,
    warmup: float = 0.05,
    bf16: bool = False,
    groups: Callable[[nn.Module], list[dict[str, Any]]] | None = None,
) -> None:
    """Train a model in place for so many steps, going on from the last checkpoint if there is one.

    AdamW, cosine schedule, gradients clipped at norm 1.

    Args:
        model: Returns ``{"loss": ...}`` (or a transformers output) from its batches.
        data: Yields whole batches through ``__getitems__``.
        folder: Checkpoints and ``log.jsonl`` go here.
        steps: Optimiser steps in all.
        batch_size: Samples a step.
        learning_rate: The peak, for parameters without a group of their own.
        seed: Decides the order of the data and the dropout.
        weight_decay: AdamW's.
        warmup: Share of the steps over which the rate rises.
        bf16: Run matrix products in bfloat16.
        groups: Gives the optimiser's parameter groups; by default one with every trainable parameter.

    Raises:
        CheckpointError: If a checkpoint cannot be written, or the last one is damaged.
    """
    arguments = trainer_arguments(
        folder,
        seed,
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=int(warmup * steps),
        weight_decay=weight_decay,
        bf16=bf16,
        logging_steps=50,
        save_steps=-(-steps // 4),
        dataloader_drop_last=True,
    )
    parameters = groups(model) if groups else [{"params": [p for p in model.parameters() if p.requires_grad]}]
    train(make_trainer(WholeTrainer, model, data, arguments, parameters))


def as_it_is(batch: Any) -> Any:
    """A collator that leaves batches alone, since the data sets hand over finished ones."""
    return batch


def _cut_log(log: Path, step: int) -> None:
    """Remove log lines after the checkpoint; they will be logged again."""
    if log.exists():
        kept = []
        for line in log.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):  # a partial line, after a kill
                continue
        write_whole(log, "".join(line + "\n" for line in kept))
