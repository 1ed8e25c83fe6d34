"""Training on one's own captions, in stages: the connector alone, connector and LoRA, and by their score."""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import set_seed

from hybrid.data.caption_dataset import PairDataset
from hybrid.data.feature_cache import default_cache, features_of
from hybrid.data.heartbeat import Heartbeat
from hybrid.data.pairs import DataError, Pair
from hybrid.loading.adapter import located, lora_of, read_adapter, save_adapter
from hybrid.loading.base import Base
from hybrid.loading.checkpoints import whole_folder
from hybrid.loading.load import build_base, load_adapter
from hybrid.loading.names import MODELS
from hybrid.model.lora import Lora, merge_lora
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.training.caption_choice import choose_captions
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.caption_stage import Setting, Stage
from hybrid.training.fitting import LOG
from hybrid.training.noisy import train_with_noise
from hybrid.training.plot import plot_losses
from hybrid.training.run_folder import RunFolder
from hybrid.training.self_critical import PictureDataset, SelfCriticalTrainer, refuse_questions
from hybrid.training.words import name_words

_SAMPLE = 8192  # pictures that a connector's standardising is fitted to


def hold_out(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Split pictures at random into training and validation data.

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


class CaptionRun:
    """A resumable run in a folder: finished stages are skipped.

    Args:
        recipe: How to train.
        training: Pictures and captions to learn from.
        validation: To evaluate on; without them a stage ends in its last state.
        folder: For logs, checkpoints and the model.
        setting: Where and how it runs.

    Raises:
        DataError: If there are fewer than two pictures to learn from, or stage 3 is to score captions that
            answer questions.
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
        if recipe.reward_epochs:
            refuse_questions([*training, *validation])  # now, and not after the stages before
        self.recipe, self.folder = recipe, folder
        self.training = choose_captions(
            training,
            agreeing=recipe.agreeing_captions,
            longest=recipe.longest_caption,
            plain=recipe.plain_captions,
        )
        self.validation = choose_captions(validation, plain=recipe.plain_captions)
        self._said = choose_captions(training, plain=recipe.plain_captions)  # all of them
        self.setting = setting or Setting()
        known = (*self.training, *self.validation, *(self._said if recipe.reward_epochs else ()))
        said = [[p.image, *p.captions, *(p.prompts or ())] for p in known]
        digest = hashlib.sha256(json.dumps([len(self.training), said]).encode()).hexdigest()
        self._run_folder = RunFolder(folder, {"recipe": asdict(recipe), "data": digest})

    def run(self) -> Path:
        """Do what is left to do.

        Returns:
            The folder of the model, for `hybrid.load`.

        Raises:
            DataError: If a picture cannot be read, or a caption is too long.
            ModelError: If the base models cannot be loaded.
            CheckpointError: If a checkpoint cannot be written, the last one is damaged, or another process
                works in the folder.
            Stopped: After SIGINT or SIGTERM, once all is saved.
        """
        with self._run_folder as folder:
            return self._run(folder)

    def _run(self, folder: RunFolder) -> Path:
        result = self.folder / "model"
        first = self.stage("features", 0, 1).arguments()  # joins the processes, if there are several
        log = self.setting.log if first.process_index == 0 else lambda _: None
        set_seed(self.recipe.seed)
        model, processor, base, lora = self.begin()
        train_with_noise(model, self.recipe.shots, self.recipe.noise, self.recipe.readout)
        with first.main_process_first():
            data, validation = self._features(model, processor, log)
        if not np.ptp(data.features[:_SAMPLE], axis=0).any():
            raise DataError("data: the vision model sees no difference between the pictures; give others")
        folder.begin()
        if model.config.connector_trained is False:
            model.connector.speak_to(model.get_input_embeddings().weight)  # type: ignore[arg-type]
            model.connector.standardise_to(torch.from_numpy(np.asarray(data.features[:_SAMPLE])))
        model.requires_grad_(False)
        model.connector.requires_grad_(True)
        if model.config.connector_trained is False and self.recipe.words_epochs:
            log(f"words: stage 0, {self.recipe.words_epochs:g} epochs, without the language model")
            name_words(model, data, self.folder / "words", self.recipe)
        self.stage("connector", 1, self.recipe.connector_epochs).run(model, data, validation, log)
        set_seed(self.recipe.seed + 1)
        if lora is not None:
            from hybrid.model.fused_lora import fuse  # loads PEFT

            if self.recipe.start_from is None:
                lora.add_to(model)
            for name, p in model.language_model.named_parameters():
                p.requires_grad_("lora_" in name)
            fuse(model.language_model)
        self.stage("lora", 2, self.recipe.epochs).run(model, data, validation, log)
        if self.recipe.reward_epochs:
            stage = self.stage("rewards", 3, self.recipe.reward_epochs)
            stage = replace(stage, trainer=SelfCriticalTrainer, rate=self.recipe.reward_rate)
            pictures = PictureDataset(data, self._said, processor)
            held = None if validation is None else PictureDataset(validation, self.validation, processor)
            stage.run(model, pictures, held, log)
        model.config.connector_trained = True
        if first.process_index == 0:
            self.finish(result, model.to("cpu"), processor, base, lora, log)
        return result

    def begin(self) -> tuple[HybridForConditionalGeneration, HybridProcessor, Base, Lora | None]:
        """The captioner to train, its processor, what it is built on, and the LoRA that stage 2 trains."""
        recipe = self.recipe
        if recipe.start_from is None:
            model, processor = build_base(recipe.base, recipe.connector, recipe.prompt)
            return model, processor, recipe.base, recipe.lora
        folder = Path(MODELS.get(recipe.start_from, recipe.start_from))
        model, processor = load_adapter(folder, merge=False)
        found = read_adapter(folder)
        return model, processor, located(Base(**found["base"]), folder), lora_of(found)

    def stage(self, name: str, number: int, epochs: float) -> Stage:
        """One stage of this run, in a folder of its name."""
        return Stage(name, number, epochs, self.folder / name, self.recipe, self.setting)

    def _features(
        self, model: HybridForConditionalGeneration, processor: HybridProcessor, log: Callable[[str], None]
    ) -> tuple[PairDataset, PairDataset | None]:
        context = model.config.context
        # Captions are checked first: it takes seconds, and the pictures may take hours.
        parts = [p for p in (self.training, self.validation) if p]
        blank = np.zeros((1, 1), np.float32)
        found = [PairDataset(part, blank, processor, context) for part in parts]
        folder, workers = self.setting.cache or default_cache(), self.setting.workers

        def look(part: Sequence[Pair], view: int = 0) -> np.ndarray:
            what, shown = f"view {view} of pictures" if view else "pictures", sys.stderr.isatty()
            beat = Heartbeat(what, len(part), log)
            with tqdm(total=len(part), desc=what, leave=False, disable=not shown) as bar:
                step = bar.update if shown else beat.update
                return features_of(part, model, processor, folder, view=view, workers=workers, advance=step)

        for part, data in zip(parts, found, strict=True):
            data.features = look(part)
            log(f"{len(part):,} pictures with {len(data):,} captions")
        found[0].views = [look(parts[0], view) for view in range(1, self.recipe.views)]
        return found[0], found[1] if len(found) > 1 else None

    def finish(
        self,
        result: Path,
        model: HybridForConditionalGeneration,
        processor: HybridProcessor,
        base: Base,
        lora: Lora | None,
        log: Callable[[str], None],
    ) -> None:
        """Save the trained captioner, on the processor, and draw its losses."""
        if self.setting.merge:
            merge_lora(model)
            model.config.name_or_path = ""
            with whole_folder(result) as part:
                model.save_pretrained(part)
                processor.save_pretrained(part)
        else:
            save_adapter(result, model, processor, base, lora)
        logs = [self.folder / name / LOG for name in ("connector", "lora")]
        logs = [log for log in logs if log.exists()]
        if not logs:
            return  # rewards are no losses
        drawn = plot_losses(logs, self.folder / "losses.png")
        log(
            f"losses: {self.folder / 'losses.png'}"
            if drawn
            else "losses are not drawn: matplotlib is missing"
        )
