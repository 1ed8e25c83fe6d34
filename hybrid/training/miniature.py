"""Training of the bundled model from scratch: scenes, vision, language, connector, scores.

Each stage writes a folder of its own and is skipped if that is complete, so a stopped run can be resumed.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    set_seed,
)

from hybrid.data.caption_dataset import CaptionDataset
from hybrid.data.features import cached_features
from hybrid.data.scene_arrays import SceneArrays, scene_arrays
from hybrid.loading.compose import compose
from hybrid.model.connectors import build_connector
from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.model.lora import merge_lora
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.training import language, vision
from hybrid.training.connector import add_lora, match_tokens, train_connector
from hybrid.training.measuring import measure
from hybrid.training.noisy import add_shot_noise
from hybrid.training.recipe import ConnectorPhase, DevicePhase, Recipe
from hybrid.training.run_folder import RunFolder, done, mark_done

# Independent streams of one seed.
_STREAMS = ("scenes", "held-out", "crowds", "texts")


class MiniatureRun:
    """One run of a recipe in one folder.

    Args:
        recipe: What to train.
        folder: Where stages keep their results. Give the same one to go on.
        seed: Everything random follows from it.
        workers: Processes that draw scenes.
        log: Called with one line at a time.

    Raises:
        ValueError: If the folder holds a run of another recipe or seed.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, seed: int, workers: int = 2, log: Callable[[str], None] = print
    ) -> None:
        self.recipe, self.folder, self.seed, self.workers, self.log = recipe, folder, seed, workers, log
        self._run_folder = RunFolder(folder, {"recipe": asdict(recipe), "seed": seed})

    def run(self) -> Path:
        """Run what is left to do.

        Returns:
            The folder of the finished model: a plain Hugging Face checkpoint with its model card.

        Raises:
            CheckpointError: If a checkpoint cannot be written, the last one is damaged, or another process
                works in the folder.
        """
        with self._run_folder as folder:
            folder.begin()
            self._stage("language", self._language)
            self._stage("vision", self._vision)
            self._stage("teacher", self._teacher)
            self._stage("bottleneck", self._bottleneck)
            self._stage("quantum", self._quantum)
            self._stage("device", self._device)
            self._stage("classical", self._classical)
            self._stage("measure", self._measure)
        return self.folder / "model"

    def _stage(self, name: str, work: Callable[[Path], None]) -> None:
        folder = self.folder / name
        if done(folder) is not None:
            self.log(f"{name}: done already")
            return
        self.log(f"{name}: begins")
        clock = folder / "seconds"
        began = time.monotonic() - (float(clock.read_text()) if clock.exists() else 0.0)
        # A stage depends on the seed alone, not on which stages ran before it in this process.
        set_seed(self.seed)
        folder.mkdir(exist_ok=True)
        try:
            work(folder)
        finally:  # summed over the times a stage was resumed
            seconds = time.monotonic() - began
            clock.write_text(f"{seconds:.1f}")
        mark_done(folder, seconds=round(seconds, 1))
        self.log(f"{name}: done in {seconds:.0f} s")

    def pictures(self, stream: str) -> SceneArrays:
        """The pictures of one stream, drawn at first use: ``"scenes"``, ``"held-out"`` or ``"crowds"``."""
        r = self.recipe.scenes
        return scene_arrays(
            self.folder / "pictures" / stream,
            {"scenes": r.train, "held-out": r.held_out, "crowds": r.crowds}[stream],
            r.image_size,
            r.image_size // self.recipe.vision.patch_size,
            self._stream_seed(stream),
            self.workers,
            "crowds" if stream == "crowds" else "scenes",
        )

    def _stream_seed(self, stream: str) -> int:
        return len(_STREAMS) * self.seed + _STREAMS.index(stream)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer the language stage made."""
        return AutoTokenizer.from_pretrained(self.folder / "language")

    def _language(self, folder: Path) -> None:
        language.train(
            self.recipe.language, self.recipe.prompts, folder, self._stream_seed("texts"), self.seed
        )

    def _vision(self, folder: Path) -> None:
        report = vision.train(
            self.recipe.vision,
            self.recipe.scenes.image_size,
            self.tokenizer(),
            self.pictures,
            folder,
            self.seed,
        )
        self.log(f"vision: all attributes right in {report['all_of_one']:.3f} / {report['all_of_two']:.3f}")

    def _composed(self, connector: dict[str, Any]) -> tuple[HybridForConditionalGeneration, HybridProcessor]:
        return compose(
            self.folder / "vision", self.folder / "language", connector, prompt=self.recipe.prompts[0]
        )

    def _classical_spec(self, width: int) -> dict[str, Any]:
        return {"type": "classical", "width": width}

    def _quantum_spec(self) -> dict[str, Any]:
        r = self.recipe.connector
        names = ("n_qubits", "n_layers", "encoding", "ansatz")
        return {"type": "quantum"} | {name: getattr(r, name) for name in names}

    def _data(
        self, model: HybridForConditionalGeneration, processor: HybridProcessor, n: int | None = None
    ) -> CaptionDataset:
        """Captions and features of the first ``n`` scenes, of all by default."""
        scenes = self.pictures("scenes")
        features = cached_features(self.folder / "features" / "train.npy", model, scenes.pixels)
        return language.prompted(
            scenes.first(n or len(scenes)).captions(),
            self.recipe.prompts,
            processor.tokenizer,
            self.seed,
            prefix=[processor.image_token_id] * processor.n_image_tokens,
            vision_features=features[:n],
        )

    def _fit_connector(
        self,
        model: HybridForConditionalGeneration,
        data: CaptionDataset,
        folder: Path,
        rate: float,
        *phases: ConnectorPhase,
    ) -> None:
        two = self.pictures("scenes").two[: len(data.tails)]
        for i, phase in enumerate(phases):
            times = np.where(two, 1, phase.repeat_single)
            if isinstance(phase, DevicePhase):
                times[phase.n_pictures :] = 0
            data.repeat(times)
            train_connector(
                model,
                data,
                folder / f"phase-{i}",
                steps=phase.steps,
                batch_size=self.recipe.connector.batch_size,
                learning_rate=phase.learning_rate,
                connector_learning_rate=rate * phase.learning_rate,
                seed=self.seed + i,
            )

    def _teacher(self, folder: Path) -> None:
        """A wide classical connector with LoRA: language learns to read a vision token."""
        r = self.recipe.connector
        model, processor = self._composed(self._classical_spec(r.classical_width))
        data = self._data(model, processor)
        assert data.features is not None
        model.connector.standardise_to(torch.from_numpy(data.features))
        add_lora(model, r.lora_rank)
        self._fit_connector(model, data, folder, r.wide_rate, r.teacher)
        save_model(model, folder / "model.safetensors")

    def _taught(
        self, stage: str, width: int
    ) -> tuple[HybridForConditionalGeneration, HybridProcessor, CaptionDataset]:
        """The classical connector and the LoRA that a stage has trained."""
        model, processor = self._composed(self._classical_spec(width))
        add_lora(model, self.recipe.connector.lora_rank)
        load_model(model, self.folder / stage / "model.safetensors")
        return model, processor, self._data(model, processor)

    def _bottleneck(self, folder: Path) -> None:
        """The teacher, narrowed to as many numbers as the circuit has inputs."""
        r = self.recipe.connector
        model, processor, data = self._taught("teacher", r.classical_width)
        assert data.features is not None
        assert isinstance(model.connector, ClassicalConnector)
        narrow = model.connector.narrowed(r.n_qubits, torch.from_numpy(data.features))
        model.connector, model.config.connector = narrow, self._classical_spec(r.n_qubits)
        self._fit_connector(model, data, folder, r.narrow_rate, r.bottleneck)
        save_model(model, folder / "model.safetensors")
        self._save(model, processor, folder / "model")

    def _quantum(self, folder: Path) -> None:
        r = self.recipe.connector
        model, processor, data = self._taught("bottleneck", r.n_qubits)
        assert data.features is not None
        spec = self._quantum_spec()
        student = _circuit_for(model, spec)
        assert isinstance(model.connector, ClassicalConnector)
        student.start_from(model.connector, torch.from_numpy(data.features))
        self._match(model, student, data.features, folder / "match", r.match_steps)
        model.connector, model.config.connector = student, spec
        self._fit_connector(model, data, folder, r.narrow_rate, *r.phases)
        self._save(model, processor, folder / "model")

    def _device(self, folder: Path) -> None:
        """Another circuit in the trained one's place, whose values a device can tell apart by its shots."""
        r, own = self.recipe.connector, self.recipe.device
        where = self.folder / "quantum" / "model"
        model = HybridForConditionalGeneration.from_pretrained(where)
        processor = HybridProcessor.from_pretrained(where)
        data = self._data(model, processor, max(phase.n_pictures for phase in own.phases))
        assert data.features is not None
        features = torch.from_numpy(data.features)
        spec = self._quantum_spec() | {"n_layers": own.n_layers, "ansatz": own.ansatz, "start": "smooth"}
        student = _circuit_for(model, spec)
        student.reset_parameters()
        narrow = ClassicalConnector.fitted(model.connector, features, r.n_qubits)
        student.start_from(narrow, features, own.spread)
        scatter = add_shot_noise(student, own.shots)
        self._match(model, student, data.features[: own.match_pictures], folder / "match", own.match_steps)
        model.connector, model.config.connector = student, spec
        add_lora(model, r.lora_rank)
        self._fit_connector(model, data, folder, r.narrow_rate, *own.phases)
        scatter.remove()
        self._save(model, processor, self.folder / "model")

    def _match(
        self,
        model: HybridForConditionalGeneration,
        student: QuantumConnector,
        features: np.ndarray,
        folder: Path,
        steps: int,
    ) -> None:
        """Train a connector on the tokens of the model's."""
        r = self.recipe.connector
        match_tokens(
            student,
            model.connector,
            features,
            folder,
            steps=steps,
            batch_size=r.match_batch_size,
            learning_rate=r.match_learning_rate,
            seed=self.seed,
        )

    def _classical(self, folder: Path) -> None:
        """The teacher for as many steps again as the quantum connector gets: what it is compared with."""
        r = self.recipe.connector
        model, processor, data = self._taught("teacher", r.classical_width)
        self._fit_connector(model, data, folder, r.wide_rate, *r.phases)
        self._save(model, processor, folder / "model")

    def _save(self, model: HybridForConditionalGeneration, processor: HybridProcessor, folder: Path) -> None:
        merge_lora(model)
        parts: list[Any] = [model.config.vision_config, model.config.text_config]
        model.config.connector_trained = True
        for config in (model.config, *parts):
            config.name_or_path = ""  # the parts' paths during the run mean nothing to others
            config.use_cache = True  # Trainer turns it off
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    def _measure(self, _folder: Path) -> None:
        measure(self.folder, self.recipe, self.pictures("held-out"), self.seed, self.log)


def _circuit_for(model: HybridForConditionalGeneration, spec: dict[str, Any]) -> QuantumConnector:
    """A fresh quantum connector between the model's parts."""
    made = build_connector(spec, model.config.vision_hidden_size, model.config.hidden_size)
    assert isinstance(made, QuantumConnector)
    return made
