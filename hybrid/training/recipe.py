"""A training recipe: what a preset's TOML file says, checked."""

import difflib
import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class ScenesRecipe:
    """How many to draw. The held-out scenes come from another seed and are never trained on."""

    train: int
    crowds: int
    held_out: int
    image_size: int


@dataclass(frozen=True)
class VisionPhase:
    """So many steps on the first ``n_pictures`` of one kind, ``"crowds"`` or ``"scenes"``.

    The learning rate falls to zero. With ``roles`` every patch of a scene of two also learns which object of
    the caption it belongs to.
    """

    pictures: str
    n_pictures: int
    steps: int
    batch_size: int
    learning_rate: float
    roles: bool


@dataclass(frozen=True)
class VisionRecipe:
    """The tiny CLIP and its training; ``contrast`` weighs the contrastive loss beside the others."""

    hidden_size: int
    layers: int
    heads: int
    patch_size: int
    contrast: float
    phases: tuple[VisionPhase, ...]


@dataclass(frozen=True)
class LanguageRecipe:
    """The tokenizer, the tiny Llama and its training on so many captions."""

    hidden_size: int
    layers: int
    heads: int
    vocabulary: int
    captions: int
    steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class ConnectorPhase:
    """So many steps of connector and LoRA, the learning rate falling from this one to zero.

    Scenes of one object are seen ``repeat_single`` times as often as they are drawn.
    """

    steps: int
    learning_rate: float
    repeat_single: int


@dataclass(frozen=True)
class ConnectorRecipe:
    """The quantum connector, the classical ones it is warmed up on, and LoRA.

    Learning rates are LoRA's. That of a connector is so many times as high: ``wide_rate`` for the wide
    classical one, ``narrow_rate`` for the narrow and the quantum one.
    """

    n_qubits: int
    n_layers: int
    encoding: str
    ansatz: str
    classical_width: int
    lora_rank: int
    batch_size: int
    wide_rate: float
    narrow_rate: float
    teacher: ConnectorPhase
    bottleneck: ConnectorPhase
    match_steps: int
    match_batch_size: int
    match_learning_rate: float
    phases: tuple[ConnectorPhase, ...]


@dataclass(frozen=True)
class DevicePhase(ConnectorPhase):
    """A phase on the first ``n_pictures``."""

    n_pictures: int


@dataclass(frozen=True)
class DeviceRecipe:
    """A circuit whose values spread widely enough for a device's shots, in the quantum connector's place.

    It starts with angles of standard deviation ``spread``, in radians, and is trained under the scatter of
    ``shots`` measurements: on its forerunner's tokens of the first ``match_pictures``, then on captions.
    """

    n_layers: int
    ansatz: str
    spread: float
    shots: int
    match_pictures: int
    match_steps: int
    phases: tuple[DevicePhase, ...]


@dataclass(frozen=True)
class Recipe:
    """Everything a run needs but its seed and its folder."""

    name: str
    description: str
    prompts: tuple[str, ...]
    scenes: ScenesRecipe
    vision: VisionRecipe
    language: LanguageRecipe
    connector: ConnectorRecipe
    device: DeviceRecipe


_SECTIONS: dict[str, type] = {
    "scenes": ScenesRecipe,
    "vision": VisionRecipe,
    "language": LanguageRecipe,
    "connector": ConnectorRecipe,
    "device": DeviceRecipe,
}


# Lists of tables, by their type as written above.
_PHASES: dict[Any, type] = {
    tuple[VisionPhase, ...]: VisionPhase,
    tuple[ConnectorPhase, ...]: ConnectorPhase,
    tuple[DevicePhase, ...]: DevicePhase,
}


def presets() -> list[str]:
    """Names of the presets that can be trained."""
    return sorted(
        p.name.removesuffix(".toml") for p in files("hybrid.presets").iterdir() if p.name.endswith(".toml")
    )


def load_recipe(name: str) -> Recipe:
    """Read a preset.

    Args:
        name: One of `presets`.

    Returns:
        The recipe.

    Raises:
        ValueError: If there is no such preset, or its file does not say what it must.
    """
    if name not in presets():
        near = difflib.get_close_matches(name, presets(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"preset must be one of {', '.join(presets())}, but was {name!r}{hint}")
    table = tomllib.loads((files("hybrid.presets") / f"{name}.toml").read_text())
    return parse_recipe(name, table)


def parse_recipe(name: str, table: dict[str, Any]) -> Recipe:
    """Check a preset's table and make a recipe of it.

    Args:
        name: What to call it.
        table: As read from TOML.

    Returns:
        The recipe.

    Raises:
        ValueError: Naming every missing, unknown and ill-typed key at once.
    """
    faults: list[str] = []
    parts = {
        section: _build(kind, table.get(section, {}), section, faults) for section, kind in _SECTIONS.items()
    }
    if faults:
        raise ValueError(f"preset {name}: {'; '.join(faults)}")
    return Recipe(name=name, description=table["description"], prompts=tuple(table["prompts"]), **parts)


def _build(kind: type, given: dict[str, Any], where: str, faults: list[str]) -> Any:
    """Make a dataclass of a table, or add to the list what is wrong with it."""
    known: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    before = len(faults)
    faults += [f"{where}.{key} is unknown" for key in given if key not in known]
    faults += [f"{where}.{key} is missing" for key in known if key not in given]
    values = {}
    for key, value in given.items():
        wanted = known.get(key)
        if wanted in _PHASES:
            rows = value if isinstance(value, list) else [value]
            values[key] = tuple(
                _build(_PHASES[wanted], row, f"{where}.{key}[{i}]", faults) for i, row in enumerate(rows)
            )
        elif wanted is ConnectorPhase:
            values[key] = _build(wanted, value, f"{where}.{key}", faults)
        elif wanted is not None and not isinstance(value, (int, float) if wanted is float else wanted):
            faults.append(f"{where}.{key} must be {wanted.__name__}, but was {value!r}")
        else:
            values[key] = value
    return kind(**values) if len(faults) == before else None
