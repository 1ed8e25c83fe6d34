"""Quantum kernels: similarities of samples by the states that a circuit makes of them."""

from qproj.kernels.alignment import target_alignment
from qproj.kernels.fidelity import FidelityKernel
from qproj.kernels.projected import ProjectedKernel

__all__ = ["FidelityKernel", "ProjectedKernel", "target_alignment"]
