"""What can be measured of a mixed state, which is all that noise leaves."""

from __future__ import annotations

from collections.abc import Iterable

from qproj.circuits.observables import Observable


def check_mixed(observables: Iterable[Observable]) -> None:
    """Raise ValueError where something of a pure state is measured."""
    for observable in observables:
        if observable.needs == "states":
            raise ValueError(
                "observables must be expectation values or probabilities with noise, which leaves no pure "
                f"state, but held {observable}."
            )
