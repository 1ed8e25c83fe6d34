"""Registries of named choices: encodings, ansaetze, observables, gates."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


def unknown_name(
    argument: str,
    value: object,
    known: Iterable[str],
    hint: str = "",
    also: Mapping[str, str] | None = None,
) -> ValueError:
    """Build the error for an unknown name.

    Args:
        argument: Name of the argument.
        value: The unknown name.
        known: The valid names.
        hint: A further sentence, for example on what to do instead.
        also: Synonyms in other packages, and which of `known` they mean.

    Returns:
        The exception, for the caller to raise.
    """
    names = sorted(known)
    meant = {name.lower(): name for name in names} | {k.lower(): v for k, v in (also or {}).items()}
    close = difflib.get_close_matches(str(value).lower(), meant, n=1)
    guess = f" Did you mean {meant[close[0]]!r}?" if close else ""
    listed = ", ".join(repr(name) for name in names)
    return ValueError(f"{argument} must be one of {listed}, but was {value!r}.{guess}{hint}")


class Registry(Generic[T]):
    """A dictionary of named choices; an unknown name raises a helpful error.

    Args:
        argument: What the choice is called in signatures and error messages, for example `"encoding"`.

    Attributes:
        also: Synonyms in other packages, for the error.
    """

    def __init__(self, argument: str) -> None:
        self.argument = argument
        self.also: dict[str, str] = {}
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register `entry`; a name is taken once, because compiled programs are cached by name."""
        if name in self._entries:
            raise ValueError(f"{self.argument} {name!r} is already registered; choose another name.")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under `name`."""
        return lambda entry: self.add(name, entry)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise unknown_name(self.argument, name, self._entries, also=self.also) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
