"""What a frozen vision tower sees in a picture, computed once and kept on disk for all later runs."""

import hashlib
import json
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hybrid.data.ahead import map_ahead
from hybrid.data.images import MAX_BYTES, ImageError, open_image
from hybrid.data.pairs.pair import Pair, refuse
from hybrid.data.views import view_of
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor
from hybrid.model.vision import is_vector

_BATCH = 32
_LARGE = 1 << 30  # bytes


class CacheError(OSError):
    """A feature cache that cannot be used. The message is one line: which, why, and the way out."""


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/hybrid``, or ``~/.cache/hybrid``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hybrid"


def tower_key(model: HybridForConditionalGeneration, processor: HybridProcessor) -> str:
    """Name what decides a picture's features but the picture.

    These are the tower's kind and its weights, down to the last bit (which says more than a name and a
    revision), which of its outputs is read, and how pictures are prepared.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(model.config.vision_feature.encode())
    tower = model.vision_tower
    digest.update(f"{tower.config.model_type} {getattr(tower.config, 'hidden_act', '')}".encode())
    digest.update(json.dumps(processor.image_processor.to_dict(), sort_keys=True, default=str).encode())
    for name, weight in sorted(tower.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


class FeatureCache:
    """Features by the digest of a picture's file, one database for each tower and preparation.

    What is stored is there as soon as its batch is done, so a run that is killed goes on where it was. A
    damaged entry is computed again.

    Args:
        folder: Where databases lie; it is made if missing.
        key: Of the tower, see `tower_key`.
        width: Of the features.

    Raises:
        CacheError: If the folder cannot be made, or the database is damaged.
    """

    def __init__(self, folder: Path, key: str, width: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(
                f"feature cache {folder}: cannot be made ({error.strerror}); give another folder as --cache"
            ) from None
        self.path, self.width = folder / f"features-{key}.sqlite", width
        try:
            with self._open() as base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS features (file BLOB PRIMARY KEY, sum INT, seen BLOB)"
                )
                base.commit()
        except sqlite3.DatabaseError as error:
            raise CacheError(
                f"feature cache {self.path}: cannot be used ({error}); delete it or give another --cache"
            ) from None

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, timeout=60))

    def get(self, files: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Look up files by their digests.

        Args:
            files: SHA-256 digests.

        Returns:
            Features ``(width,)`` float32 of those that are here.
        """
        found: dict[bytes, np.ndarray] = {}
        with self._open() as base:
            for file in files:
                row = base.execute("SELECT sum, seen FROM features WHERE file = ?", (file,)).fetchone()
                if row and len(row[1]) == 4 * self.width and zlib.crc32(row[1]) == row[0]:
                    found[file] = np.frombuffer(row[1], np.float32)
        return found

    def put(self, seen: dict[bytes, np.ndarray]) -> None:
        """Store features by the digests of their files."""
        rows = [(file, zlib.crc32(row.tobytes()), row.tobytes()) for file, row in seen.items()]
        with self._open() as base:
            base.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)
            base.commit()


def features_of(
    pairs: Sequence[Pair],
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    folder: Path,
    *,
    view: int = 0,
    workers: int = 2,
    advance: Callable[[], object] = lambda: None,
) -> np.ndarray:
    """Embed pictures, or read their embeddings back.

    Args:
        pairs: Whose pictures.
        model: Whose vision tower looks.
        processor: Prepares the pictures.
        folder: Of the cache.
        view: 0 for the pictures, any other number for one view of each, see `hybrid.data.views`.
        workers: Threads that read pictures.
        advance: Called after every picture.

    Returns:
        ``(n, vision_hidden_size)`` float32, or ``(n, positions, vision_hidden_size)`` of a grid. Above a GiB,
        a memory-mapped file in the cache's folder, which is gone with the process.

    Raises:
        DataError: Naming the pictures that cannot be read, after all others are done and kept.
        CacheError: If the cache cannot be used, or its disk has no room for so many features.
    """
    size = model.config.vision_hidden_size
    width = size * model.config.vision_positions
    cache = FeatureCache(folder, tower_key(model, processor), width)
    faults: list[str] = []
    out = _zeros(len(pairs), cache.width, folder)

    def load(pair: Pair) -> tuple[bytes, bytes] | ImageError:
        try:
            data = _bytes(pair)
        except (OSError, ImageError) as error:
            return ImageError(pair.image, f"cannot be read ({error})")
        digest = hashlib.sha256(data).digest()
        return (hashlib.sha256(digest + view.to_bytes(4)).digest() if view else digest), data

    def embed(batch: list[tuple[int, bytes, bytes]]) -> None:
        known = cache.get([digest for _, digest, _ in batch])
        pixels: dict[bytes, Tensor] = {}
        for i, digest, data in batch:
            if digest not in known and digest not in pixels:
                stream = BytesIO(data)
                stream.name = pairs[i].image
                try:
                    picture = open_image(stream)
                    pixels[digest] = processor.pixel_values(view_of(picture, digest) if view else picture)
                except ImageError as error:
                    faults.append(str(error))
        if pixels:
            seen = _look(model, list(pixels.values()))
            fresh = dict(zip(pixels, seen, strict=True))
            cache.put(fresh)
            known |= fresh
        for i, digest, _ in batch:
            if digest in known:
                out[i] = known[digest]

    batch: list[tuple[int, bytes, bytes]] = []
    for i, found in enumerate(map_ahead(load, pairs, workers=workers, ahead=2 * _BATCH)):
        if isinstance(found, ImageError):
            faults.append(str(found))
        else:
            batch.append((i, *found))
        if len(batch) == _BATCH:
            embed(batch)
            batch = []
        advance()
    if batch:
        embed(batch)
    refuse("pictures", faults)
    return out if is_vector(model.config.vision_feature) else out.reshape(len(out), -1, size)


def _zeros(n: int, width: int, folder: Path) -> np.ndarray:
    size = 4 * n * width
    if size <= _LARGE:
        return np.zeros((n, width), np.float32)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserved, since a full disk would kill the process when it writes to the map.
            getattr(os, "posix_fallocate", _extend)(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=(n, width))
    except OSError as error:
        raise CacheError(
            f"feature cache {folder}: cannot hold {size:,} bytes of features for this run "
            f"({error.strerror}); free some room or give another folder as --cache"
        ) from None


def _extend(file: int, start: int, size: int) -> None:
    os.truncate(file, start + size)


def _bytes(pair: Pair) -> bytes:
    if pair.stored is not None:
        return pair.stored()
    with Path(pair.image).open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


@torch.inference_mode()
def _look(model: HybridForConditionalGeneration, pixels: list[Tensor]) -> Iterator[np.ndarray]:
    training = model.training
    model.eval()
    seen = model.vision_features(torch.cat(pixels).to(model.device))
    model.train(training)
    return iter(seen.float().flatten(1).cpu().numpy())
