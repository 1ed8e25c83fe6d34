"""Many drawn scenes as two arrays on disk: what the miniature's vision tower is trained on."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import COLOURS, RELATIONS, SIZES, Scene, sample_scene
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
_CHUNK = 500  # scenes a task; the seed goes with the chunk, so the number of workers changes nothing


@dataclass(frozen=True)
class SceneArrays:
    """Drawn scenes, in memory order.

    Attributes:
        pixels: ``(n, size, size, 3)`` uint8.
        labels: ``(n, 7)`` int8, indices into the values of `ATTRIBUTES`.
        boxes: ``(n, 2, 4)`` float32, left, top, right and bottom of each object as shares of the picture's
            width and height; zeros where there is no second.
    """

    pixels: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def captions(self) -> list[str]:
        """The caption of every scene, rebuilt from its labels."""
        return [_caption(row) for row in self.labels]


def scene_arrays(folder: Path, n: int, image_size: int, seed: int, workers: int) -> SceneArrays:
    """Draw scenes, or read them back where they lie already.

    Args:
        folder: Where ``pixels.npy``, ``boxes.npy`` and ``labels.npy`` are kept.
        n: How many scenes.
        image_size: Side of the pictures after resizing, in pixels.
        seed: Equal seeds give equal arrays, whatever the number of workers.
        workers: Processes to draw with.

    Returns:
        The arrays, the pixels mapped from disk.
    """
    paths = [folder / f"{name}.npy" for name in ("pixels", "boxes", "labels")]
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [(seed, chunk, min(_CHUNK, n - chunk * _CHUNK), image_size) for chunk in range(-(-n // _CHUNK))]
        pixels = np.lib.format.open_memmap(paths[0], "w+", np.uint8, (n, image_size, image_size, 3))
        labels, boxes = np.empty((n, len(ATTRIBUTES)), np.int8), np.empty((n, 2, 4), np.float32)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for chunk, part in enumerate(pool.map(_draw_chunk, tasks)):
                at = slice(chunk * _CHUNK, chunk * _CHUNK + len(part))
                pixels[at], labels[at], boxes[at] = part.pixels, part.labels, part.boxes
        pixels.flush()
        np.save(paths[1], boxes)
        np.save(paths[2], labels)  # last: its presence says that the others are complete
    return SceneArrays(np.load(paths[0], mmap_mode="r"), labels=np.load(paths[2]), boxes=np.load(paths[1]))


def _draw_chunk(task: tuple[int, int, int, int]) -> SceneArrays:
    seed, chunk, n, image_size = task
    rng = np.random.default_rng([seed, chunk])
    pixels = np.empty((n, image_size, image_size, 3), np.uint8)
    labels, boxes = np.empty((n, len(ATTRIBUTES)), np.int8), np.zeros((n, 2, 4), np.float32)
    for i in range(n):
        scene = sample_scene(rng)
        picture = draw_scene(scene, rng).resize((image_size, image_size), Image.Resampling.BICUBIC)
        pixels[i], labels[i] = np.asarray(picture), _label(scene)
        for j, thing in enumerate(scene.objects):
            centre, frame = np.array(thing.centre), np.array(scene.frame)
            boxes[i, j] = np.concatenate([(centre - thing.extent / 2) / frame, (centre + thing.extent / 2) / frame])
    return SceneArrays(pixels, labels, boxes)


def _label(scene: Scene) -> list[int]:
    words = [word for o in scene.objects for word in (o.size, o.colour, o.shape)]
    words += [""] * (6 - len(words)) + [scene.relation or ""]
    return [values.index(word) for word, values in zip(words, ATTRIBUTES.values(), strict=True)]


def _caption(row: np.ndarray) -> str:
    words = [values[i] for i, values in zip(row, ATTRIBUTES.values(), strict=True)]
    first, second = " ".join(["a", *words[:3]]), " ".join(["a", *words[3:6]])
    return f"{first} {words[6]} {second}" if words[6] else first
