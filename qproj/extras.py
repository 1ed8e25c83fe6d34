"""Packages that only some need: extras of `pip install 'qproj[...]'`."""

from __future__ import annotations

import importlib
from typing import Any


def needed(package: str, extra: str, who: str) -> Any:
    """Import a package, or say how to install it.

    Args:
        package: The module to import.
        extra: The extra of this package that brings it.
        who: What needs it, for the error: `"Circuit.to_cirq"`.

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{who} needs {package}, which could not be imported ({error}). Install it with "
            f"pip install 'qproj[{extra}]'."
        ) from error
