"""A dataset of the ``datasets`` library: ``owner/name`` on the hub, or what ``save_to_disk`` wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, place_name

_CAPTIONS = ("captions", "caption", "text", "sentences", "raw")


def matches(where: str) -> bool:
    """Whether it looks like one."""
    path = Path(where)
    if path.is_dir():
        return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()
    return (
        where.count("/") == 1
        and not path.exists()
        and not where.startswith((".", "~", "/"))
        and not path.suffix
    )


def read(where: str) -> Iterator[Pair]:
    """Read a dataset with a column ``image`` and one of captions; pictures are only read when used."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"data {place_name(where)}: needs the datasets library; pip install 'qproj[train]', or give a "
            "folder or a file"
        ) from None
    try:
        found: Any = datasets.load_from_disk(where) if Path(where).is_dir() else datasets.load_dataset(where)
    except Exception as error:  # whatever it is: network, format, a script that is not run
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"data {place_name(where)}: cannot be loaded by datasets ({reason})") from None
    parts = found if isinstance(found, dict) else {None: found}
    for split, part in parts.items():
        columns = [name for name in _CAPTIONS if name in part.column_names]
        if "image" not in part.column_names or len(columns) != 1:
            raise DataError(
                f"data {place_name(where)}: must have a column image and one of {', '.join(_CAPTIONS)}, but "
                f"had {', '.join(part.column_names)}"
            )
        part = part.cast_column("image", datasets.Image(decode=False))  # our own reader is the careful one
        texts = part.select_columns(columns)
        for i, row in enumerate(texts):
            said = row[columns[0]]
            captions = (said,) if isinstance(said, str) else tuple(map(str, said or ()))
            place = f"{split or 'row'} {i}"
            yield Pair(f"{where}, {place}", captions, place, _part(split), _bytes_of(part, i))


def _part(split: Any) -> str | None:
    return None if split is None else {"validation": "val"}.get(str(split), str(split))


def _bytes_of(part: Any, i: int) -> Callable[[], bytes]:
    def read() -> bytes:
        image = part[i]["image"] or {}
        if image.get("bytes") is not None:
            return bytes(image["bytes"])
        return Path(image.get("path") or "").read_bytes()

    return read
