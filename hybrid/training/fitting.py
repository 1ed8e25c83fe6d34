"""One way to run transformers' Trainer, for every stage."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from hybrid.loading.checkpoints import checkpoints_in, step_of
from hybrid.training.whole_trainer import WholeTrainer


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


class Progress(ProgressCallback):  # type: ignore[misc]
    """A progress bar that shows the loss in place, where transformers' own prints a dictionary a time."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{float(logs['loss']):.3f}")


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
    """Train a model in place, going on from the last checkpoint in the folder if there is one.

    AdamW, cosine schedule, gradients clipped at norm 1. A progress bar is shown where stderr is a terminal.

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
    folder.mkdir(parents=True, exist_ok=True)
    last = next(reversed(checkpoints_in(folder)), None)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=int(warmup * steps),
        weight_decay=weight_decay,
        max_grad_norm=1.0,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=50,
        save_steps=-(-steps // 4),
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        report_to=[],
    )
    parameters = groups(model) if groups else [{"params": [p for p in model.parameters() if p.requires_grad]}]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.98))
    trainer = WholeTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=as_it_is,
        optimizers=(optimizer, None),
        callbacks=[LogFile(folder / "log.jsonl")],
    )
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
    if sys.stderr.isatty():
        trainer.add_callback(Progress)
    if last is not None and step_of(last) >= steps:
        trainer.take(last)  # nothing is left to do, but Trainer would take one step more to find that out
    else:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))


def as_it_is(batch: Any) -> Any:
    """A collator that leaves batches alone, since the data sets hand over finished ones."""
    return batch
