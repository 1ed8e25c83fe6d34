"""Rows that name a picture and what is said of it: what lists of captions have in common."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hybrid.data.pairs.pair import Pair, place_name, refuse
from hybrid.data.pairs.source import Source


@dataclass
class Rows:
    """Collects captions by picture, in the order pictures come.

    Args:
        source: Pictures are found relative to it.
        folders: Beside it, in which pictures may lie.
    """

    source: Source
    folders: Sequence[str] = ("", "images", "Images")
    faults: list[str] = field(default_factory=list)
    _found: dict[str, "_Picture"] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        place: str,
        image: str,
        captions: Iterable[str],
        split: str | None = None,
        prompts: Iterable[str] = (),
        *,
        whole: bool = False,
    ) -> None:
        """Add captions of one picture.

        The same picture may come again, but not in another part, and not if these are said to be all of its
        captions (``whole``).
        """
        path = self._paths.get(image) or self._paths.setdefault(
            image, self.source.beside(image, self.folders)
        )
        picture = self._found.get(path)
        if picture is None:
            picture = self._found[path] = _Picture(place, split, whole)
        elif whole or picture.whole:
            self.faults.append(
                f"{place}: {place_name(path)} comes a second time, first at {picture.place}, where a row has "
                "all captions of a picture"
            )
        if picture.split != split:
            this, first = (f"in part {s}" if s else "in no part" for s in (split, picture.split))
            self.faults.append(f"{place}: {place_name(path)} is {this}, but {first} at {picture.place}")
        picture.captions.extend(captions)
        picture.prompts.extend(prompts)

    def pairs(self) -> Iterator[Pair]:
        """A pair a picture.

        Raises:
            DataError: Naming the first faults.
        """
        refuse(self.source.name, self.faults)
        for path, picture in self._found.items():
            prompts = tuple(picture.prompts) or None
            yield Pair(path, tuple(picture.captions), picture.place, picture.split, prompts=prompts)


@dataclass
class _Picture:
    place: str
    split: str | None
    whole: bool
    captions: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)


def pairs_of_rows(source: Source, rows: Iterable[tuple[str, Any]]) -> Iterator[Pair]:
    """Make pairs of rows of one picture each.

    A row has ``image`` and either ``caption`` or ``captions``, or Hugging Face's ``file_name`` and ``text``;
    and perhaps ``split``.

    Args:
        source: Where they come from; pictures are found relative to it.
        rows: Each with its place.

    Yields:
        A pair a picture. Rows that name the same picture are joined.

    Raises:
        DataError: If a row is anything else, or a picture is in two parts.
    """
    out = Rows(source)
    for place, given in rows:
        row = {plain(name): value for name, value in given.items()} if isinstance(given, dict) else given
        fault = _fault(row)
        if fault:
            out.faults.append(f"{place}: {fault}")
            continue
        said = next(row[name] for name in _SAID if name in row)
        image = row["image"] if "image" in row else row["file_name"]
        whole = not isinstance(said, str)
        out.add(place, image, (said or [""]) if whole else [said], row.get("split") or None, whole=whole)
    yield from out.pairs()


def plain(name: str) -> str:
    """A column's name as it is looked for. A `Split` passed over would train on captions of the test part."""
    return name.strip().lower()


_SAID = ("caption", "captions", "text")


def _fault(row: Any) -> str | None:
    if not isinstance(row, dict):
        return (
            f'must be an object such as {{"image": "a.jpg", "caption": "..."}}, but was {type(row).__name__}'
        )
    image = row["image"] if "image" in row else row.get("file_name")
    if not isinstance(image, str) or not image:
        return "image must be a path in quotes"
    names = [name for name in _SAID if name in row and (name != "text" or "image" not in row)]
    if len(names) != 1:
        return "exactly one of caption and captions must be given"
    said = row[names[0]]
    if names == ["captions"] and isinstance(said, str):
        return "captions must be a list of texts"
    if not isinstance(said, str) and not (
        isinstance(said, list) and all(isinstance(text, str) for text in said)
    ):
        return f"{names[0]} must be text in quotes, or a list of texts"
    if not isinstance(row.get("split") or "", str):
        return "split must be the name of a part in quotes"
    return None
