"""PEFT adapters with a connector beside them, as TinyLlama-VLM-LoRA is published.

A repository or a folder holds ``adapter_config.json`` and ``adapter_model.safetensors``, PEFT's own, and
perhaps ``proj_final.pt`` and ``gate_final.pt``: the two linear maps of the classical connector, as
dictionaries of tensors. They may lie in its root or in folders below. Nothing is read that could run code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hybrid.loading.checkpoints import few, misfits
from hybrid.loading.hub import fetched_folder, hub_offline
from hybrid.loading.names import ModelError, first_line
from hybrid.model.lora import Lora, merge_lora
from hybrid.model.modeling import HybridForConditionalGeneration

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MAPS = {"projector": "proj_final.pt", "gate": "gate_final.pt"}
# What to fetch from the hub.
PATTERNS = [f"*{name}" for name in (CONFIG, WEIGHTS, *MAPS.values())]
# Of PEFT's options these change what the weights mean, and only their defaults are understood.
_DEFAULTS = (
    "alpha_pattern", "exclude_modules", "fan_in_fan_out", "layer_replication", "layers_to_transform",
    "lora_bias", "modules_to_save", "rank_pattern", "target_parameters", "trainable_token_indices",
    "use_dora", "use_qalora", "use_rslora",
)  # fmt: skip


@dataclass(frozen=True)
class PeftConnector:
    """The classical connector of such an adapter.

    Attributes:
        where: The folder it is from, for messages.
        tensors: ``projector.weight``, ``projector.bias``, ``gate.weight`` and ``gate.bias``, float32.
    """

    where: Path
    tensors: dict[str, Tensor]

    @property
    def options(self) -> dict[str, Any]:
        """What `hybrid.model.connectors.build_connector` takes."""
        return {"type": "classical", "width": len(self.tensors["projector.weight"])}

    def load_into(self, model: HybridForConditionalGeneration) -> None:
        """Put the weights into a model's connector, which was built by `options`.

        Raises:
            ModelError: Naming every tensor that is missing, unknown or of another shape.
        """
        maps = {name: p for name, p in model.connector.state_dict().items() if name not in ("mean", "scale")}
        _refuse(self.where, "connector", misfits(self.tensors, maps))
        model.connector.load_state_dict(self.tensors, strict=False)
        model.config.connector_trained = True


@dataclass(frozen=True)
class PeftAdapter:
    """What was found in a folder.

    Attributes:
        where: The folder.
        config: ``adapter_config.json``.
    """

    where: Path
    config: Path

    def described(self) -> dict[str, Any]:
        """What ``adapter_config.json`` says.

        Raises:
            ModelError: If it is damaged, or no plain LoRA.
        """
        try:
            found = json.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(str(self.where), f"{CONFIG} is damaged ({error}); get a whole copy") from None
        fault = _fault(found)
        if fault:
            raise ModelError(str(self.where), f"{CONFIG} {fault}")
        return dict(found)

    @property
    def language(self) -> str:
        """The language model that the LoRA belongs to.

        Raises:
            ModelError: If it is not named.
        """
        name = self.described().get("base_model_name_or_path")
        if not isinstance(name, str) or not name:
            raise ModelError(str(self.where), f"{CONFIG} must name its base_model_name_or_path")
        return name

    def add_lora(self, model: HybridForConditionalGeneration) -> None:
        """Add the LoRA into a model's language model.

        Raises:
            ModelError: If it does not fit, with every tensor that is missing, unknown or of another shape.
        """
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        found = self.described()
        targets = found["target_modules"]
        lora = Lora(
            found["r"],
            found["lora_alpha"],
            found.get("lora_dropout", 0.0),
            targets if isinstance(targets, str) else tuple(targets),
        )
        file = self.config.with_name(WEIGHTS)
        try:
            tensors = load_file(file)
        except FileNotFoundError:
            raise ModelError(
                str(self.where),
                f"{WEIGHTS} is missing beside {CONFIG}; pickled weights are not read, "
                "save the adapter as safetensors",
            ) from None
        except (OSError, SafetensorError) as error:
            raise ModelError(str(file), f"cannot be read ({error}); get a whole copy") from None
        try:
            lora.add_to(model)
        except ValueError as error:
            raise ModelError(str(self.where), f"does not fit its language model ({error})") from None
        wanted = get_peft_model_state_dict(model.language_model, save_embedding_layers=False)
        _refuse(self.where, WEIGHTS, misfits(tensors, wanted))
        set_peft_model_state_dict(model.language_model, tensors)
        merge_lora(model)

    def connector(self) -> PeftConnector:
        """The classical connector that lies beside the LoRA.

        Raises:
            ModelError: If a file is missing, damaged, or holds anything but a linear map's weight and bias.
        """
        tensors: dict[str, Tensor] = {}
        for name, file in MAPS.items():
            path = _find(self.where, file)
            if path is None:
                raise ModelError(
                    str(self.where),
                    f"holds a LoRA but no {file}, so it has no connector of its own; "
                    "train one: hybrid train --adapter with --connector",
                )
            tensors |= {f"{name}.{key}": value for key, value in _linear(path).items()}
        return PeftConnector(self.where, tensors)


def find_peft_adapter(folder: Path) -> PeftAdapter | None:
    """Look for such an adapter in a folder and in those below it."""
    config = _find(folder, CONFIG)
    return PeftAdapter(folder, config) if config else None


def open_peft_adapter(name: str, revision: str | None = None) -> PeftAdapter:
    """Find such an adapter by name.

    Args:
        name: A folder, or ``owner/name`` on the hub.
        revision: On the hub: a branch, a tag or a commit.

    Raises:
        ModelError: If there is none.
    """
    folder: Path | None = Path(name)
    if not Path(name).is_dir():
        if name.count("/") != 1 or name.startswith((".", "/", "~")):
            raise ModelError(name, "no such folder; give a folder, or owner/name on the hub")
        folder = fetched_folder(name, revision, PATTERNS, offline=hub_offline(name, revision, (CONFIG,)))
    found = find_peft_adapter(folder) if folder else None
    if found is None:
        raise ModelError(name, f"holds no {CONFIG}; give an adapter that PEFT wrote")
    return found


def _find(folder: Path, name: str) -> Path | None:
    """The file of this name nearest to the root; of several as near, one in a folder called final."""
    found = [path for path in folder.rglob(name) if path.is_file()]
    return min(found, key=lambda p: (len(p.parts), "final" not in p.parent.name, str(p)), default=None)


def _fault(found: Any) -> str | None:
    if not isinstance(found, dict) or found.get("peft_type") != "LORA":
        return "must be that of a LoRA; give another adapter"
    targets, rank = found.get("target_modules"), found.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        return f"must give r as a whole number from 1, but gave {rank!r}"
    for name in ("lora_alpha", "lora_dropout"):
        number = found.get(name, 0.0 if name == "lora_dropout" else None)
        if not isinstance(number, int | float) or isinstance(number, bool):
            return f"must give {name} as a number, but gave {number!r}"
    if not isinstance(targets, str) and not (
        isinstance(targets, list) and targets and all(isinstance(target, str) for target in targets)
    ):
        return f"must give target_modules as names, but gave {targets!r}"
    if found.get("bias", "none") != "none":
        return f"has bias {found['bias']!r}, which is not supported; merge the adapter first"
    strange = [name for name in _DEFAULTS if found.get(name)]
    return f"has {', '.join(strange)}, which is not supported; merge the adapter first" if strange else None


def _linear(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise ModelError(
            str(path), "holds something else than numbers, which is not read; get another copy"
        ) from None
    except Exception as error:  # what a damaged file may raise is not bounded
        raise ModelError(str(path), f"cannot be read ({first_line(error)}); get a whole copy") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(str(path), "must hold the weight and bias of a linear map; get another copy")
    faults = [f"{key} is missing" for key in ("weight", "bias") if key not in found]
    faults += [f"{key} is not part of it" for key in found if key not in ("weight", "bias")]
    if not faults and (found["weight"].ndim, found["bias"].ndim) != (2, 1):
        faults = [f"weight is {tuple(found['weight'].shape)}, not a matrix with a bias of its height"]
    _refuse(path, "linear map", faults)
    if not all(value.isfinite().all() for value in found.values()):
        raise ModelError(str(path), "holds values that are not finite; get another copy")
    return {key: value.float() for key, value in found.items()}


def _refuse(where: Path, what: str, faults: list[str]) -> None:
    if faults:
        raise ModelError(
            str(where), f"its {what} does not fit ({few(faults)}); get the one that belongs to it"
        )
