"""Noise: channels as entries of a circuit, and models that say where they stand. NumPy only.

A family of channels is a file that adds its kinds to `CHANNELS`, by PennyLane's names and with PennyLane's
strengths. Whatever runs a circuit reads them from its list of gates.
"""

from qproj.noise import damping, depolarizing, flips, kraus, relaxation  # noqa: F401 (each adds its channels)
from qproj.noise.calibration import from_backend
from qproj.noise.extrapolation import exponential, extrapolate, fold, richardson
from qproj.noise.model import Channel, NoiseModel, Rule
from qproj.noise.parsing import parse
from qproj.noise.readout import Readout

__all__ = [
    "Channel",
    "NoiseModel",
    "Readout",
    "Rule",
    "exponential",
    "extrapolate",
    "fold",
    "from_backend",
    "parse",
    "richardson",
]
