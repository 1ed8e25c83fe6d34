"""Image captioning through a quantum projection: CLIP, a circuit, and Llama.

`load` returns a model and its processor; `caption` captions pictures in one call. Importing this
package is cheap: torch, transformers and JAX are loaded when first needed.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if Path(__file__).with_name("decomposers.py").exists():
    raise ImportError(
        "D-Wave's dwave-hybrid was installed into the same folder, since its package is named hybrid, too; "
        "keep the two in environments of their own, or uninstall both and install this one again"
    )

if TYPE_CHECKING:
    from hybrid.data.images import open_image
    from hybrid.data.pairs import DataError
    from hybrid.inference.captioning import caption
    from hybrid.loading.compose import compose
    from hybrid.loading.load import load
    from hybrid.model.configuration import HybridConfig
    from hybrid.model.errors import CheckpointError, HybridError, ImageError, ModelError, OptionError
    from hybrid.model.modeling import HybridForConditionalGeneration
    from hybrid.model.processing import HybridProcessor

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "DataError",
    "HybridConfig",
    "HybridError",
    "HybridForConditionalGeneration",
    "HybridProcessor",
    "ImageError",
    "ModelError",
    "OptionError",
    "__version__",
    "caption",
    "compose",
    "load",
    "open_image",
]
_HOMES = {
    "CheckpointError": "model.errors",
    "DataError": "data.pairs",
    "HybridError": "model.errors",
    "ModelError": "model.errors",
    "OptionError": "model.errors",
    "HybridConfig": "model.configuration",
    "HybridForConditionalGeneration": "model.modeling",
    "HybridProcessor": "model.processing",
    "ImageError": "model.errors",
    "caption": "inference.captioning",
    "compose": "loading.compose",
    "load": "loading.load",
    "open_image": "data.images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hybrid' has no attribute {name!r}")
    return getattr(import_module(f"hybrid.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
