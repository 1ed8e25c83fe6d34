"""Families of backends: one module each, found by the name of the family.

A backend is called `family`, or `family:name`. The family is named after the Python package of its vendor, so
that objects of that package are known for the family's. Families of other packages are found by the
entry-point group `qproj.backends`: its names are families, its values modules (or objects) that have

- `load(what)`: the `Sampler` or `Backend` of a name (`""` for the family's name alone), or of an object;
- `NAMES`, optional: `Capabilities` by name, as known without loading the vendor's package;
- `PACKAGE`, optional: the package without which these names are not listed as installed.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from qproj.backends.capabilities import Capabilities
from qproj.registry import unknown_name

GROUP = "qproj.backends"

# Of this package. A module is loaded when its family is first asked for, so that choosing PennyLane does not
# load JAX, nor the other way round.
OWN = {
    "jax": "qproj.backends.jax",
    "pennylane": "qproj.backends.pennylane",
    "cirq": "qproj.backends.cirq",
    "qiskit": "qproj.backends.qiskit",
}

# The family of names without one, which predates families.
SHORT = "pennylane"


def names() -> tuple[str, ...]:
    """All families, this package's first."""
    return (*OWN, *(name for name in _entry_points() if name not in OWN))


@functools.cache
def family(name: str) -> Any:
    """The module of a family.

    Raises:
        ImportError: If it is another package's, and cannot be imported.
    """
    if name in OWN:
        return importlib.import_module(OWN[name])
    entry = _entry_points()[name]
    try:
        return entry.load()
    except Exception as error:
        raise ImportError(
            f"backend family {name!r} is at {entry.value}, by the entry points {GROUP!r}, but importing it "
            f"gave {type(error).__name__}: {error}. Mend or uninstall the package that has it."
        ) from error


def split(name: str) -> tuple[str, str]:
    """Family and name in it of a backend: those of `"jax"` are `"jax"` and `""`."""
    first, colon, rest = name.partition(":")
    if first in names():
        return first, rest
    if colon:
        hint = " The packages of other families are found once they are installed."
        raise unknown_name("the family of backend", first, names(), hint)
    return SHORT, name


def of_object(value: object) -> str | None:
    """The family that an object belongs to, by the package of its class or of one that it derives from."""
    packages = {cls.__module__.partition(".")[0] for cls in type(value).__mro__}
    return next((name for name in names() if name in packages), None)


def unknown_object(value: object) -> TypeError:
    """The error for an object that no family knows."""
    return TypeError(
        "backend must be a str, a Sampler, or an object of one of the families "
        f"{', '.join(names())}, such as a PennyLane device, but was {value!r} ({type(value).__name__}). "
        "Give the name of a backend, such as 'jax', or what qml.device(...) returns."
    )


def advertised() -> Mapping[str, Capabilities]:
    """What the backends known by name can do, by the name that a caller would give."""
    found = {}
    for name in names():
        try:
            known = getattr(family(name), "NAMES", {})
        except ImportError:
            continue  # a broken package of somebody else's is no reason to refuse to list the others
        for short, capabilities in known.items():
            full = f"{name}:{short}" if short else name
            found[short if name == SHORT else full] = capabilities
    return found


def found() -> Mapping[str, Capabilities]:
    """Those of `advertised` whose vendor's package is installed."""
    packages = {name: getattr(family(split(name)[0]), "PACKAGE", "qproj") for name in advertised()}
    return {name: can for name, can in advertised().items() if importlib.util.find_spec(packages[name])}


@functools.cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
