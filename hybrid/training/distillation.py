"""Distillation of a classical connector into a quantum one, without running the language model."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from hybrid.data.feature_cache import features_of
from hybrid.data.heartbeat import Heartbeat
from hybrid.data.pairs import DataError, Pair
from hybrid.loading.adapter import WEIGHTS, read_adapter, save_adapter, write_adapter
from hybrid.loading.base import Base
from hybrid.loading.load import load
from hybrid.loading.names import ADAPTER
from hybrid.model.connectors import Connector, build_connector
from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.training.connector import match_tokens
from hybrid.training.run_folder import RunFolder


def distill(
    teacher: str,
    pairs: Sequence[Pair],
    folder: Path,
    cache: Path,
    *,
    connector: dict[str, Any],
    steps: int = 1000,
    batch_size: int = 256,
    learning_rate: float = 1e-2,
    seed: int = 0,
    log: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train a quantum connector to give a classical one's vision tokens.

    The classical connector is narrowed to as many numbers as the circuit has inputs, the quantum one starts
    from that, and then matches the tokens of the wide one. One picture in ten, and two at least, are held out
    to measure on.

    Args:
        teacher: A captioner with a classical connector, for `hybrid.load`.
        pairs: Pictures; their captions are not used.
        folder: Where to keep the run.
        cache: Folder of vision features.
        connector: ``{"type": "quantum", **options}``.
        steps: Optimiser steps.
        batch_size: Pictures a step.
        learning_rate: The peak.
        seed: Everything random follows from it.
        log: Called with one line at a time.

    Returns:
        The folder of the model, for `hybrid.load`: the teacher's with the new connector.

    Raises:
        DataError: If there are too few pictures, or one cannot be read.
        ModelError: If the teacher cannot be loaded.
        ValueError: If its connector is not a classical one, or the new one cannot be built.
        CheckpointError: If another process works in the folder, or it cannot be written.
    """
    with RunFolder(folder):
        return _distill(teacher, pairs, folder, cache, connector, steps, batch_size, learning_rate, seed, log)


def _distill(
    teacher: str,
    pairs: Sequence[Pair],
    folder: Path,
    cache: Path,
    connector: dict[str, Any],
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    log: Callable[[str], None],
) -> Path:
    model, processor = load(teacher)
    wide = model.connector
    if not isinstance(wide, ClassicalConnector):
        kind = (model.config.connector or {}).get("type")
        raise ValueError(f"teacher must have a classical connector, but {teacher} has a {kind} one")
    beat = Heartbeat("pictures", len(pairs), log)
    features = features_of(pairs, model, processor, cache, advance=beat.update)
    torch.manual_seed(seed)
    student = build_connector(connector, wide.vision_hidden_size, wide.hidden_size)
    assert isinstance(student, QuantumConnector)
    n_inputs = student.projection.reduce.out_features
    held = max(2, len(features) // 10)  # of one picture there is no variance to explain
    sample = torch.from_numpy(features[held:])
    if len(sample) <= n_inputs:
        raise DataError(
            f"data: must have more than {n_inputs + 2} pictures, but had {len(features)}; add some"
        )
    student.start_from(wide.narrowed(n_inputs, sample), sample)
    log(f"start: {_explained(student, wide, features[:held]):.3f} of the tokens' variance")
    size = min(batch_size, len(sample))
    # A run is resumed only if its options are the same.
    asked = hashlib.sha256(repr((teacher, connector, steps, size, learning_rate, seed)).encode())
    asked.update(features.tobytes())
    matching = folder / f"matching-{asked.hexdigest()[:16]}"
    match_tokens(
        student,
        wide,
        features[held:],
        matching,
        steps=steps,
        batch_size=size,
        learning_rate=learning_rate,
        seed=seed,
    )
    log(f"matched: {_explained(student, wide, features[:held]):.3f} of the tokens' variance")
    model.connector, model.config.connector = student, dict(connector)
    adapter = Path(teacher) / ADAPTER
    if adapter.is_file():  # its base and its LoRA serve the new connector as they are
        described = read_adapter(adapter.parent) | {"connector": dict(connector)}
        tensors = {n: t for n, t in load_file(adapter.parent / WEIGHTS).items() if "lora_" in n}
        tensors |= {f"connector.{n}": t.contiguous() for n, t in student.state_dict().items()}
        write_adapter(folder / "model", described, tensors)
    else:
        save_adapter(folder / "model", model, processor, Base(model=teacher), None)
    shutil.rmtree(matching)
    return folder / "model"


@torch.no_grad()
def _explained(student: Connector, teacher: Connector, features: np.ndarray) -> float:
    """The share of the teacher's variance between pictures that the student explains."""
    x = torch.from_numpy(features)
    wanted = teacher(x)
    error = (student(x) - wanted).square().sum()
    return float(1 - error / (wanted - wanted.mean(0)).square().sum().clamp_min(1e-12))
