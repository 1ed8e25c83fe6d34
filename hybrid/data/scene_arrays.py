"""Many drawn scenes as arrays on disk: what the miniature's vision tower is trained on."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from hybrid.data.drawing import draw_scene
from hybrid.data.palette import COLOURS
from hybrid.data.scenes import RELATIONS, SIZES, Scene, sample_crowd, sample_scene
from hybrid.data.shapes import SHAPES

# One column an attribute; the second object's and the relation's last class means "there is none".
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size_1": SIZES,
    "colour_1": COLOURS,
    "shape_1": SHAPES,
    "size_2": (*SIZES, ""),
    "colour_2": (*COLOURS, ""),
    "shape_2": (*SHAPES, ""),
    "relation": (*RELATIONS, ""),
}
NOTHING = -1
_CHUNK = 500  # scenes a task; the seed goes with the chunk, so the number of workers changes nothing


@dataclass(frozen=True)
class SceneArrays:
    """Drawn scenes, one a row.

    Attributes:
        pixels: ``(n, size, size, 3)`` uint8.
        labels: ``(n, 7)`` int8, indices into the values of `ATTRIBUTES`; `NOTHING` in crowds.
        cells: ``(n, grid * grid, 2)`` int8, shape and colour of the object in whose box the middle of each
            cell lies, as indices into `SHAPES` and `COLOURS`; `NOTHING` where there is none.
    """

    pixels: np.ndarray
    labels: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n: int) -> "SceneArrays":
        """The first ``n`` of them."""
        return SceneArrays(self.pixels[:n], self.labels[:n], self.cells[:n])

    @property
    def two(self) -> np.ndarray:
        """Which scenes have two objects."""
        return np.asarray(self.labels[:, -1] < len(RELATIONS))

    def captions(self) -> list[str]:
        """The caption of every scene, rebuilt from its labels."""
        return [_caption(row) for row in self.labels]


_NAMES = tuple(field.name for field in fields(SceneArrays))


def scene_arrays(
    folder: Path,
    n: int,
    image_size: int,
    grid: int,
    seed: int,
    workers: int,
    kind: Literal["scenes", "crowds"] = "scenes",
) -> SceneArrays:
    """Draw scenes, or read them back where they lie already.

    Args:
        folder: Where the arrays are kept, a ``.npy`` file each.
        n: How many scenes.
        image_size: Side of the pictures after resizing, in pixels.
        grid: Cells along a side.
        seed: Equal seeds give equal arrays, whatever the number of workers.
        workers: Processes to draw with.
        kind: Scenes of one or two objects, or crowds of many.

    Returns:
        The arrays, the pixels mapped from disk.
    """
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shapes = (
            ((n, image_size, image_size, 3), np.uint8),
            ((n, len(ATTRIBUTES)), np.int8),
            ((n, grid * grid, 2), np.int8),
        )
        whole = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
            for name, (shape, dtype) in zip(_NAMES, shapes, strict=True)
        ]
        tasks = [
            (kind, seed, chunk, min(_CHUNK, n - chunk * _CHUNK), image_size, grid)
            for chunk in range(-(-n // _CHUNK))
        ]
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for chunk, parts in enumerate(pool.map(_draw_chunk, tasks)):
                for array, part in zip(whole, parts, strict=True):
                    array[chunk * _CHUNK : chunk * _CHUNK + len(part)] = part
        for array in whole:
            array.flush()
        done.touch()
    return SceneArrays(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _NAMES))


def _draw_chunk(task: tuple[str, int, int, int, int, int]) -> tuple[np.ndarray, ...]:
    kind, seed, chunk, n, image_size, grid = task
    rng = np.random.default_rng([seed, chunk])
    pixels = np.empty((n, image_size, image_size, 3), np.uint8)
    labels = np.full((n, len(ATTRIBUTES)), NOTHING, np.int8)
    cells = np.empty((n, grid * grid, 2), np.int8)
    for i in range(n):
        scene = sample_crowd(rng) if kind == "crowds" else sample_scene(rng)
        picture = draw_scene(scene, rng).resize((image_size, image_size), Image.Resampling.BICUBIC)
        pixels[i], cells[i] = np.asarray(picture), _cells(scene, grid)
        if kind == "scenes":
            labels[i] = _label(scene)
    return pixels, labels, cells


def _label(scene: Scene) -> list[int]:
    words = [word for o in scene.objects for word in (o.size, o.colour, o.shape)]
    words += [""] * (6 - len(words)) + [scene.relation or ""]
    return [values.index(word) for word, values in zip(words, ATTRIBUTES.values(), strict=True)]


def _cells(scene: Scene, grid: int) -> np.ndarray:
    cells = np.full((grid, grid, 2), NOTHING, np.int8)
    x, y = ((np.arange(grid) + 0.5) / grid * side for side in scene.frame)
    for o in scene.objects:
        inside = (np.abs(y - o.centre[1]) < o.extent / 2)[:, None] & (np.abs(x - o.centre[0]) < o.extent / 2)
        cells[inside] = SHAPES.index(o.shape), COLOURS.index(o.colour)
    return cells.reshape(-1, 2)


def _caption(row: np.ndarray) -> str:
    words = [values[i] for i, values in zip(row, ATTRIBUTES.values(), strict=True)]
    first, second = " ".join(["a", *words[:3]]), " ".join(["a", *words[3:6]])
    return f"{first} {words[6]} {second}" if words[6] else first
