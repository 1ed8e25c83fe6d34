"""What is read of a vision tower: which of its outputs, from whatever kind of tower."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

_PART = re.compile(r"(cls|pooled)|(grid|windows)([1-9][0-9]?)?")
_SIDE = 2  # of a grid whose side is not given
KINDS = "'cls' or 'pooled', 'gridK' or 'windowsK' with a number K, or several joined by '+'"


class FeatureError(ValueError):
    """A tower that does not have what is to be read of it."""


def parse_feature(name: Any) -> list[tuple[str, int]]:
    """Read a feature's name, such as ``"cls"`` or ``"cls+grid2"``.

    Returns:
        Kinds in their order, each with the side of its grid; 1 for those without.

    Raises:
        ValueError: If it is none.
    """
    found = [_PART.fullmatch(part) for part in name.split("+")] if isinstance(name, str) else [None]
    parts = [(m[1] or m[2], 1 if m[1] else int(m[3] or _SIDE)) for m in found if m is not None]
    if len(parts) < len(found) or len({kind for kind, _ in parts}) < len(parts):
        raise ValueError(f"vision_feature must be {KINDS}, but was {name!r}")
    return parts


def n_positions(name: str) -> int:
    """How many feature vectors a picture gives: ``K * K`` of a grid, one of each other part."""
    return sum(side * side for _, side in parse_feature(name))


def is_vector(name: str) -> bool:
    """Whether a picture gives one vector, and not a row of them."""
    return parse_feature(name) in ([("cls", 1)], [("pooled", 1)])


def width_of(config: Any) -> int:
    """Width of a tower's features by its configuration.

    Raises:
        ValueError: If the configuration does not say.
    """
    for name in ("hidden_size", "hidden_dim", "hidden_sizes", "embed_dims"):
        width = getattr(config, name, None)
        if isinstance(width, Sequence) and width:
            width = width[-1]
        if isinstance(width, int):
            return width
    raise ValueError(
        f"vision_width must be given, since a {getattr(config, 'model_type', 'nameless')!r} configuration "
        f"does "
        "not say how wide the tower's features are; hybrid.compose finds it"
    )


def laid_out(pixels: Tensor, tower: nn.Module) -> Tensor:
    """The same pixels in the order of memory in which a tower reads them fastest.

    On a CPU that is channels last for several pictures in front of a CNN; a transformer has one convolution,
    which does not care.

    Args:
        pixels: ``(batch, 3, height, width)``.
        tower: The vision tower.
    """
    if len(pixels) == 1 or pixels.device.type != "cpu":
        return pixels
    convolutions = sum(isinstance(module, nn.Conv2d) for module in tower.modules())
    return pixels.contiguous(memory_format=torch.channels_last) if convolutions > 1 else pixels


def default_feature(seen: Any, config: Any, size: Sequence[int]) -> str:
    """What is read by default: the class token; else the pooled output; else the grid's mean."""
    for name in ("cls", "pooled"):
        try:
            read_feature(seen, name, config, size)
        except FeatureError:
            continue
        return name
    return "grid1"


def read_feature(seen: Any, name: str, config: Any, size: Sequence[int]) -> Tensor:
    """Take features from what a tower returned.

    Args:
        seen: The tower's output.
        name: See `parse_feature`. ``"cls"`` is the first token of the last hidden state; ``"pooled"`` the
            tower's pooler output; ``"gridK"`` the last hidden state averaged over K x K equal parts of the
            picture, row by row; ``"windowsK"`` the same where K does not divide the tower's grid: the parts
            overlap.
        config: The tower's configuration.
        size: Height and width of the pixels.

    Returns:
        ``(batch, width)`` for one vector, else ``(batch, positions, width)``.

    Raises:
        FeatureError: If the tower does not have it.
    """
    parts = [_part(seen, kind, side, config, size) for kind, side in parse_feature(name)]
    if len({part.shape[-1] for part in parts}) > 1:
        widths = ", ".join(str(part.shape[-1]) for part in parts)
        raise FeatureError(
            f"vision_feature {name!r} joins features of different widths, {widths}; choose one"
        )
    return parts[0][:, 0] if is_vector(name) else torch.cat(parts, 1)


def _part(seen: Any, kind: str, side: int, config: Any, size: Sequence[int]) -> Tensor:
    model = getattr(config, "model_type", "this")
    if kind == "pooled":
        pooled = getattr(seen, "pooler_output", None)
        if pooled is None:
            raise FeatureError(
                f"a {model!r} tower has no pooled output; ask for vision_feature 'cls' or 'grid2'"
            )
        return torch.as_tensor(pooled).flatten(1)[:, None]
    hidden = getattr(seen, "last_hidden_state", None)
    if hidden is None or hidden.ndim not in (3, 4):
        raise FeatureError(f"a {model!r} tower has no last hidden state; ask for vision_feature 'pooled'")
    front, grid = _front_and_grid(hidden, config, size)
    if kind == "cls":
        if front is None or not front.shape[1]:
            raise FeatureError(
                f"a {model!r} tower has no class token; ask for vision_feature 'pooled' or 'grid2'"
            )
        return front[:, :1]
    if grid is None:
        raise FeatureError(
            f"a {model!r} tower has no grid of features; ask for vision_feature 'cls' or 'pooled'"
        )
    height, width = grid.shape[2:]
    if side > min(height, width) or (kind == "grid" and (height % side or width % side)):
        sides = [k for k in range(1, min(height, width) + 1) if height % k == 0 and width % k == 0]
        raise FeatureError(
            f"vision_feature '{kind}{side}' does not divide the tower's grid of {height} x {width} features; "
            f"K may be {', '.join(map(str, sides))}, or 'windowsK' lets parts overlap, up to K = "
            f"{min(height, width)}"
        )
    return adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def _front_and_grid(hidden: Tensor, config: Any, size: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
    """Tokens in front, ``(batch, n, width)``, and the grid, ``(batch, width, rows, columns)``."""
    if hidden.ndim == 4:  # a CNN's
        return None, hidden
    patch = getattr(config, "patch_size", None)
    if isinstance(patch, int):
        patch = (patch, patch)
    if not isinstance(patch, Sequence) or len(patch) != 2:
        return None, None
    rows, columns = (side // step for side, step in zip(size, patch, strict=True))
    if hasattr(config, "depths"):  # Swin and its like halve the grid from stage to stage
        while rows * columns > hidden.shape[1]:
            rows, columns = -(-rows // 2), -(-columns // 2)
    front = hidden.shape[1] - rows * columns
    # The class token, DeiT's token for distillation, and registers.
    if not 0 <= front <= 2 + getattr(config, "num_register_tokens", 0):
        return None, None
    grid = hidden[:, front:].transpose(1, 2).reshape(len(hidden), -1, rows, columns)
    return hidden[:, :front], grid
