"""The errors of this package, with `name` (what is wrong) and `reason` (why) as attributes."""

from typing import ClassVar


class HybridError(ValueError):
    """Something that cannot be used. The message is one line: what, why, and the way out.

    Args:
        name: What it is about, such as a file's name; or the whole message, if ``reason`` is left out.
        reason: Why, and the way out.

    Attributes:
        name: As given; empty where only a message was.
        reason: As given; the whole message where there is no name.
    """

    kind: ClassVar[str] = ""  # stands before the name in the message
    mark: ClassVar[str] = ":"  # stands behind it

    def __init__(self, name: str, reason: str | None = None) -> None:
        self.name, self.reason = (name, reason) if reason is not None else ("", name)
        super().__init__(*((name,) if reason is None else (name, reason)))  # for pickle

    def __str__(self) -> str:
        if not self.name:
            return self.reason
        return f"{self.kind}{' ' * bool(self.kind)}{self.name}{self.mark} {self.reason}"


class OptionError(HybridError):
    """An argument that is not allowed, found before anything is done with it: wrong usage."""

    mark = ""


class ModelError(HybridError):
    """A model that cannot be loaded."""

    kind = "model"


class CheckpointError(HybridError):
    """A checkpoint that cannot be written, or be read."""

    kind = "checkpoint"


class ImageError(HybridError):
    """A picture that cannot be read."""
