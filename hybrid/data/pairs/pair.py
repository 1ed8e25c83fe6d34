"""What all formats share: the pair, the names of parts, and how faults are told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO

from hybrid.data.results import printable
from hybrid.model.errors import HybridError

_SHOWN = 3
_PARTS = {
    "train": ("train", "training", "trn", "restval"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing", "tst"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


class DataError(HybridError):
    """Training data that cannot be used. The message is one line: what, where, and the way out."""


@dataclass(frozen=True)
class Pair:
    """A picture and what is said of it.

    Attributes:
        image: The picture's path, or its name where it is stored elsewhere.
        captions: One or more.
        place: Where this is written, such as ``line 3``; for messages.
        split: The part it belongs to, ``"train"``, ``"val"`` or ``"test"``, if the source has parts.
        stored: Gives the file's bytes, where the picture is not a file of its own.
        prompts: What each caption answers, where the source says so; else the model's own prompt.
    """

    image: str
    captions: tuple[str, ...]
    place: str
    split: str | None = None
    stored: Callable[[], bytes] | None = None
    prompts: tuple[str, ...] | None = None

    def source(self) -> str | BytesIO:
        """What `hybrid.data.images.open_image` takes."""
        if self.stored is None:
            return self.image
        stream = BytesIO(self.stored())
        stream.name = self.image
        return stream


def part_named(name: str) -> str | None:
    """The part that a name means, in upper or lower case: ``"train"``, ``"val"`` or ``"test"``.

    Args:
        name: Such as ``"Validation"`` or ``"dev"``.

    Returns:
        The part, or nothing if the name means none.
    """
    return _PART_OF.get(name.strip().lower())


def known_parts() -> str:
    """The names of parts, for messages."""
    return ", ".join(_PART_OF)


def place_name(name: str) -> str:
    """A name as it can be shown on one line."""
    return printable(name)


def refuse(name: str, faults: Iterable[str]) -> None:
    """Raise a DataError about these faults, if there are any."""
    found = list(faults)
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DataError(f"data {place_name(name)}: {'; '.join(found[:_SHOWN])}{more}; mend or remove them")
