"""A dataset of the ``datasets`` library: ``owner/name`` on the hub, or what ``save_to_disk`` wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.source import Source

FORM = "a dataset of the datasets library"
_CAPTIONS = ("captions", "caption", "text", "sentences", "raw")


def matches(source: Source) -> bool:
    """Whether it looks like one."""
    where, path = source.name, source.path
    if source.is_folder:
        return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()
    return (
        where.count("/") == 1
        and not path.exists()
        and not where.startswith((".", "~", "/"))
        and not path.suffix
    )


def read(source: Source) -> Iterator[Pair]:
    """Read a dataset with a column ``image`` and one of captions; pictures are only read when used."""
    where = source.name
    try:
        import datasets
    except ImportError:
        raise source.fault(
            "needs the datasets library; pip install 'qproj[train]', or give a folder or a file"
        ) from None
    try:
        found: Any = datasets.load_from_disk(where) if source.is_folder else datasets.load_dataset(where)
    except Exception as error:  # whatever it is: network, format, a script that is not run
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise source.fault(f"cannot be loaded by datasets ({reason})") from None
    parts = found if isinstance(found, dict) else {None: found}
    for split, part in parts.items():
        columns = [name for name in _CAPTIONS if name in part.column_names]
        if "image" not in part.column_names or len(columns) != 1:
            raise source.fault(
                f"must have a column image and one of {', '.join(_CAPTIONS)}, but had "
                f"{', '.join(part.column_names)}"
            )
        part = part.cast_column("image", datasets.Image(decode=False))  # our own reader is the careful one
        own = ["split"] if "split" in part.column_names else []
        for i, row in enumerate(part.select_columns(columns + own)):
            said = row[columns[0]]
            captions = (said,) if isinstance(said, str) else tuple(map(str, said or ()))
            place = f"{split or 'row'} {i}"
            name = row["split"] if own else split
            part_name = None if name is None else str(name)
            yield Pair(f"{where}, {place}", captions, place, part_name, _bytes_of(part, i))


def _bytes_of(part: Any, i: int) -> Callable[[], bytes]:
    def read() -> bytes:
        image = part[i]["image"] or {}
        if image.get("bytes") is not None:
            return bytes(image["bytes"])
        return Path(image.get("path") or "").read_bytes()

    return read
