"""One stage of training on captions, resumable."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import TrainingArguments

from hybrid.data.caption_dataset import CaptionDataset
from hybrid.loading.checkpoints import checkpoints_in
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.caption_trainer import CaptionTrainer
from hybrid.training.fitting import Patience, make_trainer, train, trainer_arguments
from hybrid.training.parameters import parameter_groups, parameter_table
from hybrid.training.precision import multiplies_bfloat16
from hybrid.training.run_folder import done, mark_done
from hybrid.training.stopping import StopCallback, Stopped, StopSignals


@dataclass(frozen=True)
class Setting:
    """Settings of a run that do not change the result.

    Attributes:
        cache: Folder of vision features; by default the one all runs share.
        use_cpu: Even where there is a GPU.
        workers: Threads that read pictures.
        tensorboard: Write TensorBoard's event files, too.
        merge: Save a whole model, in place of a small checkpoint.
        log: Called with one line at a time.
    """

    cache: Path | None = None
    use_cpu: bool = False
    workers: int = 2
    tensorboard: bool = False
    merge: bool = False
    log: Callable[[str], None] = print


@dataclass(frozen=True)
class Stage:
    """One stage in one folder.

    Attributes:
        name: For messages.
        number: Of the stage; each has a seed of its own.
        epochs: Passes over the data; a stage of 0 is passed over.
        folder: For checkpoints and the log.
        recipe: How to train.
        setting: Where and how it runs.
        trainer: What is learnt, and how.
        rate: Learning rates, as a share of the recipe's.
    """

    name: str
    number: int
    epochs: float
    folder: Path
    recipe: CaptionRecipe
    setting: Setting
    trainer: type[CaptionTrainer] = CaptionTrainer
    rate: float = 1.0

    def run(
        self,
        model: HybridForConditionalGeneration,
        data: CaptionDataset,
        validation: CaptionDataset | None,
        log: Callable[[str], None],
    ) -> None:
        """Train what requires a gradient, or take it from the stage's folder if that is complete.

        Args:
            model: Trained in place; it ends in its best state.
            data: To learn from.
            validation: To evaluate on.
            log: Called with one line at a time.

        Raises:
            CheckpointError: If a checkpoint cannot be written, or the last one is damaged.
            Stopped: After SIGINT or SIGTERM, once all is saved.
        """
        if self.epochs == 0:
            return
        name, folder = self.name, self.folder
        arguments = self.arguments(len(data), evaluated=validation is not None)
        last = next(reversed(checkpoints_in(folder)), None)
        r = self.recipe
        rates = {"quantum": r.quantum_rate, "connector": r.connector_rate, "lora": r.lora_rate}
        rates = {kind: self.rate * rate for kind, rate in rates.items()}
        groups = parameter_groups(model, rates, r.share and self.rate * r.share)
        parameters = [
            {
                "params": group.parameters,
                "lr": group.learning_rate,
                "weight_decay": r.weight_decay if group.kind == "lora" else 0.0,
            }
            for group in groups
        ]
        patience = Patience(r.patience if validation is not None else 0)
        with StopSignals() as signals:
            callbacks = [StopCallback(signals), patience]
            trainer = make_trainer(
                self.trainer,
                model,
                data,
                arguments,
                parameters,
                validation=validation,
                callbacks=callbacks,
                log=log,
            )
            trainer.label_smoothing = r.label_smoothing
            if (facts := done(folder)) is not None:
                trainer.state.best_global_step = facts["best_step"]
                trainer.load_best()
                log(f"{name}: done already")
                return
            log(f"{name}: stage {self.number}, {self.epochs:g} epochs")
            for line in parameter_table(model, groups):
                log(line)
            if last is not None:
                log(f"{name}: goes on from {last}")
            train(trainer, patience)
            stopped = signals.received is not None and trainer.state.global_step < trainer.state.max_steps
            if stopped and not patience.lost(trainer.state.log_history):
                where = folder / f"checkpoint-{trainer.state.global_step}"
                raise Stopped(signals.received or 0, f"saved in {where}; the same command goes on from there")
        trainer.load_best()
        if arguments.process_index == 0:
            mark_done(folder, best_step=trainer.state.best_global_step or trainer.state.global_step)
        if trainer.state.best_metric is not None:
            best = trainer.verdict(trainer.state.best_metric)
            log(f"{name}: {best} at step {trainer.state.best_global_step}")
        if signals.received is not None:
            raise Stopped(signals.received, f"{folder} is complete; the same command goes on from there")

    def arguments(self, n: int = 1, *, evaluated: bool = False) -> TrainingArguments:
        """Trainer's settings; to make them joins the processes, if there are several.

        Args:
            n: Captions to learn from.
            evaluated: Whether there are others to evaluate on.
        """
        r, epochs = self.recipe, self.epochs
        use_cpu = self.setting.use_cpu or not torch.cuda.is_available()
        precision = r.precision
        if precision == "auto":
            precision = "bf16" if multiplies_bfloat16(use_cpu=use_cpu) else "no"
        several = int(os.environ.get("WORLD_SIZE", "1"))
        total = max(1, round(epochs * n / (r.batch_size * r.accumulate * several)))
        every = r.evaluate_every or -(-total // 4)
        return trainer_arguments(
            self.folder,
            r.seed + self.number,
            num_train_epochs=epochs,
            per_device_train_batch_size=r.batch_size,
            per_device_eval_batch_size=r.batch_size,
            gradient_accumulation_steps=r.accumulate,
            learning_rate=r.lora_rate,
            warmup_steps=0.05,
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            use_cpu=use_cpu,
            ddp_backend="gloo" if use_cpu and several > 1 else None,
            ddp_find_unused_parameters=False,
            logging_steps=max(1, min(50, total // 20)),
            save_steps=every,
            eval_strategy="steps" if evaluated else "no",
            eval_steps=every,
            metric_for_best_model="loss" if evaluated else None,
            greater_is_better=False if evaluated else None,
            prediction_loss_only=True,
            label_names=["labels"],
            report_to=["tensorboard"] if self.setting.tensorboard else [],
        )
