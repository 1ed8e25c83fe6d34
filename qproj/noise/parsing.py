"""Noise as a user writes it on a command line: `depolarizing=0.01`."""

from __future__ import annotations

from qproj.circuits.gates import CHANNELS
from qproj.noise.model import Channel, NoiseModel


def parse(text: str = "", readout: float | None = None) -> NoiseModel | None:
    """Read a noise model.

    Args:
        text: Such as `"depolarizing=0.01"`: a channel behind every gate, by PennyLane's name or a short one,
            and its strengths, separated by commas. Several channels are separated by spaces.
        readout: The probability of reading a bit wrongly.

    Returns:
        The model; `None` where there is neither.

    Raises:
        ValueError: If text is not of this form, or not of a channel.
    """
    found = tuple(map(_channel, text.split()))
    if not found and not readout:
        return None
    return NoiseModel(after_gates=found, readout=readout or ())


def _channel(text: str) -> Channel:
    name, equals, strengths = text.partition("=")
    try:
        values = tuple(float(number) for number in strengths.split(","))
    except ValueError:
        values = ()
    if not equals or not values:
        known = ", ".join(sorted({name for name in CHANNELS.also if name != "kraus"}))
        raise ValueError(
            "noise must be a channel and its strength, such as depolarizing=0.01, but was "
            f"{text!r}. Channels: {known}, and PennyLane's names."
        )
    return Channel(name, values)
