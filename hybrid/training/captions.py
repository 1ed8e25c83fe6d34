"""Training on one's own captions, in two stages: the connector alone, then connector and LoRA."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainingArguments,
    set_seed,
)

from hybrid.adapters import merge_lora, save_adapter
from hybrid.checkpoints import checkpoints_in, step_of, whole_folder
from hybrid.data.feature_cache import default_cache, features_of
from hybrid.data.pairs import DataError, Pair
from hybrid.modeling import HybridForConditionalGeneration
from hybrid.processing import HybridProcessor
from hybrid.training.caption_data import PairDataset
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.caption_trainer import CaptionTrainer
from hybrid.training.fitting import LogFile, Progress, as_it_is
from hybrid.training.parameters import parameter_groups, parameter_table
from hybrid.training.plot import plot_losses
from hybrid.training.stopping import StopCallback, Stopped, StopSignals

_SAMPLE = 8192  # pictures that a connector's standardising is fitted to
_LOG = "log.jsonl"


def hold_out(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Part pictures at random into those to train on and those to evaluate on.

    Args:
        pairs: All of them.
        share: Of the second part, from 0 to 1.
        seed: Decides which.

    Returns:
        Both parts, in the order they came; at least one picture is held out if the share is above 0.
    """
    n = min(len(pairs) - 1, max(1, round(share * len(pairs)))) if share > 0 else 0
    held = set(np.random.default_rng(seed).permutation(len(pairs))[:n].tolist())
    return [p for i, p in enumerate(pairs) if i not in held], [pairs[i] for i in sorted(held)]


@dataclass(frozen=True)
class Setting:
    """Where and how a run runs; none of it changes what is learnt.

    Attributes:
        cache: Folder of vision features; by default the one all runs share.
        use_cpu: Even where there is a GPU.
        workers: Threads that read pictures.
        tensorboard: Write TensorBoard's event files, too.
        merge: Save a whole model, in place of a small checkpoint.
        say: Is told what happens, a line at a time.
    """

    cache: Path | None = None
    use_cpu: bool = False
    workers: int = 2
    tensorboard: bool = False
    merge: bool = False
    say: Callable[[str], None] = print


class CaptionRun:
    """One run in one folder: what is done is not done again, and what was stopped goes on.

    Args:
        recipe: How to train.
        training: Pictures and captions to learn from.
        validation: To evaluate on; without them a stage ends in its last state.
        folder: For logs, checkpoints and the model.
        setting: Where and how it runs.

    Raises:
        DataError: If there are fewer than two pictures to learn from.
        ValueError: If the folder holds a run of another recipe or other data.
    """

    def __init__(
        self,
        recipe: CaptionRecipe,
        training: Sequence[Pair],
        validation: Sequence[Pair],
        folder: Path,
        setting: Setting | None = None,
    ) -> None:
        if len(training) < 2:
            raise DataError(
                f"data: must have at least 2 pictures to learn from, but had {len(training)}; add some"
            )
        self.recipe, self.folder = recipe, folder
        self.training, self.validation = list(training), list(validation)
        self.setting = setting or Setting()
        said = [[p.image, *p.captions] for p in (*self.training, *self.validation)]
        digest = hashlib.sha256(json.dumps([len(self.training), said]).encode()).hexdigest()
        record = json.dumps({"recipe": asdict(recipe), "data": digest}, indent=1) + "\n"
        file = folder / "run.json"
        if file.exists() and file.read_text() != record:
            raise ValueError(f"{folder} holds a run of another recipe or other data; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            part = folder / f".{os.getpid()}.part"
            part.write_text(record)
            part.replace(file)

    def run(self) -> Path:
        """Do what is left to do.

        Returns:
            The folder of the model, for `hybrid.load`.

        Raises:
            DataError: If a picture cannot be read, or a caption is too long.
            ModelError: If the base models cannot be loaded.
            CheckpointError: If a checkpoint cannot be written, or the last one is damaged.
            Stopped: After SIGINT or SIGTERM, once all is saved.
        """
        result = self.folder / "model"
        first = self._arguments("features", 0, 1)  # which also joins the processes, if there are several
        say = self.setting.say if first.process_index == 0 else lambda _: None
        set_seed(self.recipe.seed)
        model, processor = self.recipe.base.build(self.recipe.connector, self.recipe.prompt)
        with first.main_process_first():
            data, validation = self._features(model, processor, say)
        if self.recipe.connector is not None or self.recipe.model is None:
            model.connector.standardise_to(torch.from_numpy(data.features[:_SAMPLE]))
        model.requires_grad_(False)
        model.connector.requires_grad_(True)
        self._stage("connector", 1, model, data, validation, self.recipe.connector_epochs, say)
        set_seed(self.recipe.seed + 1)
        if self.recipe.lora is not None:
            self.recipe.lora.add_to(model)
            for name, p in model.language_model.named_parameters():
                p.requires_grad_("lora_" in name)
        self._stage("lora", 2, model, data, validation, self.recipe.epochs, say)
        if first.process_index == 0:
            self._finish(result, model.to("cpu"), processor, say)
        return result

    def _features(
        self, model: HybridForConditionalGeneration, processor: HybridProcessor, say: Callable[[str], None]
    ) -> tuple[PairDataset, PairDataset | None]:
        context = int(model.config.text_config.max_position_embeddings)
        # Captions are checked first: it takes seconds, and the pictures may take hours.
        parts = [p for p in (self.training, self.validation) if p]
        blank = np.zeros((1, 1), np.float32)
        found = [PairDataset(part, blank, processor, context) for part in parts]
        for part, data in zip(parts, found, strict=True):
            with tqdm(total=len(part), desc="pictures", leave=False, disable=not sys.stderr.isatty()) as bar:
                data.features = features_of(
                    part,
                    model,
                    processor,
                    self.setting.cache or default_cache(),
                    workers=self.setting.workers,
                    advance=bar.update,
                )
            say(f"{len(part):,} pictures with {len(data):,} captions")
        return found[0], found[1] if len(found) > 1 else None

    def _stage(
        self,
        name: str,
        number: int,
        model: HybridForConditionalGeneration,
        data: PairDataset,
        validation: PairDataset | None,
        epochs: float,
        say: Callable[[str], None],
    ) -> None:
        if epochs == 0:
            return
        arguments = self._arguments(name, number, epochs, len(data), validation is not None)
        folder = Path(arguments.output_dir)
        last = next(reversed(checkpoints_in(folder)), None)
        r = self.recipe
        rates = {"quantum": r.quantum_rate, "connector": r.connector_rate, "lora": r.lora_rate}
        groups = parameter_groups(model, rates)
        with StopSignals() as signals:
            trainer = _trainer(model, arguments, data, validation, groups, signals, r)
            if (folder / "done").exists():
                trainer.state.best_global_step = int((folder / "done").read_text())
                trainer.load_best()
                say(f"{name}: done already")
                return
            say(f"{name}: stage {number}, {epochs:g} epochs")
            for line in parameter_table(model, groups):
                say(line)
            if last is not None:
                say(f"{name}: goes on from {last}")
                if arguments.process_index == 0:
                    _cut_log(folder / _LOG, step_of(last))
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
            if signals.received is not None and trainer.state.global_step < trainer.state.max_steps:
                where = folder / f"checkpoint-{trainer.state.global_step}"
                raise Stopped(signals.received, f"saved in {where}; the same command goes on from there")
        trainer.load_best()
        if arguments.process_index == 0:
            best = trainer.state.best_global_step or trainer.state.global_step
            (folder / "done.part").write_text(str(best))
            (folder / "done.part").replace(folder / "done")
        if trainer.state.best_metric is not None:
            best = trainer.state.best_metric
            say(f"{name}: validation loss {best:.4f} at step {trainer.state.best_global_step}")
        if signals.received is not None:
            raise Stopped(signals.received, f"{folder} is complete; the same command goes on from there")

    def _arguments(
        self, name: str, number: int, epochs: float, n: int = 1, evaluated: bool = False
    ) -> TrainingArguments:
        r = self.recipe
        use_cpu = self.setting.use_cpu or not torch.cuda.is_available()
        several = int(os.environ.get("WORLD_SIZE", "1"))
        total = max(1, round(epochs * n / (r.batch_size * r.accumulate * several)))
        every = r.evaluate_every or -(-total // 4)
        return TrainingArguments(
            output_dir=str(self.folder / name),
            num_train_epochs=epochs,
            per_device_train_batch_size=r.batch_size,
            per_device_eval_batch_size=r.batch_size,
            gradient_accumulation_steps=r.accumulate,
            learning_rate=r.lora_rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            max_grad_norm=1.0,
            bf16=r.precision == "bf16",
            fp16=r.precision == "fp16",
            use_cpu=use_cpu,
            ddp_backend="gloo" if use_cpu and several > 1 else None,
            ddp_find_unused_parameters=False,
            seed=r.seed + number,
            data_seed=r.seed + number,
            logging_steps=max(1, min(50, total // 20)),
            save_steps=every,
            eval_strategy="steps" if evaluated else "no",
            eval_steps=every,
            metric_for_best_model="loss" if evaluated else None,
            greater_is_better=False if evaluated else None,
            prediction_loss_only=True,
            label_names=["labels"],
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            report_to=["tensorboard"] if self.setting.tensorboard else [],
        )

    def _finish(
        self,
        result: Path,
        model: HybridForConditionalGeneration,
        processor: HybridProcessor,
        say: Callable[[str], None],
    ) -> None:
        if self.setting.merge:
            merge_lora(model)
            model.config.name_or_path = ""
            with whole_folder(result) as part:
                model.save_pretrained(part)
                processor.save_pretrained(part)
        else:
            save_adapter(result, model, processor, self.recipe.base, self.recipe.lora)
        logs = [self.folder / name / _LOG for name in ("connector", "lora")]
        drawn = plot_losses([log for log in logs if log.exists()], self.folder / "losses.png")
        say(
            f"losses: {self.folder / 'losses.png'}"
            if drawn
            else "losses are not drawn: matplotlib is missing"
        )


def _trainer(
    model: nn.Module,
    arguments: TrainingArguments,
    data: PairDataset,
    validation: PairDataset | None,
    groups: Sequence[Any],
    signals: StopSignals,
    recipe: CaptionRecipe,
) -> CaptionTrainer:
    """Trainer as it is used here: a learning rate a group, a log, and a progress bar where a person looks."""
    parameters = [
        {
            "params": group.parameters,
            "lr": group.learning_rate,
            "weight_decay": recipe.weight_decay if group.kind == "lora" else 0.0,
        }
        for group in groups
    ]
    Path(arguments.output_dir).mkdir(parents=True, exist_ok=True)
    callbacks = [LogFile(Path(arguments.output_dir) / _LOG), StopCallback(signals)]
    if validation is not None and recipe.patience:
        callbacks.append(EarlyStoppingCallback(recipe.patience))
    trainer = CaptionTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=validation,
        data_collator=as_it_is,
        optimizers=(torch.optim.AdamW(parameters, betas=(0.9, 0.98)), None),
        callbacks=callbacks,
    )
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
    if sys.stderr.isatty():
        trainer.add_callback(Progress)
    return trainer


def _cut_log(log: Path, step: int) -> None:
    """Take away what was logged after the checkpoint; it will be logged again."""
    if log.exists():
        kept = []
        for line in log.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):  # half a line, from a kill
                continue
        log.write_text("".join(line + "\n" for line in kept))
