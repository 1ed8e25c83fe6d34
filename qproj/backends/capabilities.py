"""What a backend can do, and the refusal of what it cannot."""

from __future__ import annotations

from qproj.planning.execution import Execution


def refuse_extras(label: str, execution: Execution) -> None:
    """Raise ValueError for options that no backend has yet.

    Args:
        label: The backend, for the message: `"backend 'jax'"`.
        execution: How the circuit is to be run.
    """
    if execution.seed is not None:
        raise ValueError(f"seed must be None on {label}, but was {execution.seed!r}.")
    if execution.noise is not None:
        raise ValueError(f"noise must be None on {label}, but was {execution.noise!r}.")
    if execution.extra:
        raise ValueError(f"backend_options must be empty on {label}, but were {execution.extra!r}.")
