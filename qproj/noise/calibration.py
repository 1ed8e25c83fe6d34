"""A device's calibration, as Qiskit has it, as a noise model of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qproj.circuits.parameters import wires_of
from qproj.extras import needed
from qproj.noise.model import Channel, NoiseModel, Rule

# What Qiskit's basis gates are here. Turns about Z cost nothing: devices count them into the next pulse.
_BASIS = {
    "sx": "SX", "x": "PauliX", "rx": "RX", "ry": "RY", "cx": "CNOT", "cz": "CZ", "ecr": "ECR",
    "rzz": "IsingZZ", "rxx": "IsingXX", "iswap": "ISWAP", "cp": "ControlledPhaseShift",
}  # fmt: skip
# How often a basis gate is needed for others, as they are usually written.
_BY_SX = {"RX": 2, "RY": 2, "Hadamard": 1, "PauliX": 2, "PauliY": 2, "SX": 1}
_BY_PAIR = {
    "CNOT": 1, "CZ": 1, "CY": 1, "ECR": 1, "IsingZZ": 2, "IsingXX": 2, "IsingYY": 2, "IsingXY": 2, "CRX": 2,
    "CRY": 2, "CRZ": 2, "ControlledPhaseShift": 2, "ISWAP": 2, "SISWAP": 2, "SingleExcitation": 2, "SWAP": 3,
}  # fmt: skip
_SWAP = np.eye(4)[[0, 2, 1, 3]]


def from_backend(backend: Any, qubits: Sequence[int] | int | None = None) -> NoiseModel:
    """Noise of a device of Qiskit's: errors of its gates, with decay while they last, and of its readout.

    For circuits in the device's own gates it is the model that Aer makes of the calibration. Other gates get
    the errors of the basis gates that they are usually written with, such as two SX for an RX, and one to
    three of the pair's gate for others on two wires. Of a pair that is calibrated both ways the first counts.
    Turns about Z have none; gates on more wires and unitaries of one's own are left without.

    Args:
        backend: A `BackendV2`, such as one of `qiskit_ibm_runtime.fake_provider`.
        qubits: Which of its qubits each wire is; wires are its qubits if `None`.

    Returns:
        The model.

    Raises:
        ImportError: If `qiskit-aer` is not installed.
        TypeError: If it is no `BackendV2`.
        ValueError: If it has no such qubit.
    """
    device = needed("qiskit_aer.noise.device.models", "qiskit", "qproj.noise.from_backend")
    target = getattr(backend, "target", None)
    if target is None:
        raise TypeError(
            "backend must be a BackendV2 of Qiskit's, such as FakeSherbrooke(), but was "
            f"{backend!r} ({type(backend).__name__})."
        )
    chosen = range(target.num_qubits) if qubits is None else wires_of("qubits", qubits)
    if max(chosen) >= target.num_qubits:
        raise ValueError(f"qubits must be in 0..{target.num_qubits - 1}, but were {tuple(chosen)}.")
    wires = {qubit: wire for wire, qubit in enumerate(chosen)}
    channels: dict[tuple[int, ...], dict[str, Channel]] = {}
    for name, on, error in device.basic_device_gate_errors(target=target):
        here = tuple(wires[qubit] for qubit in on if qubit in wires)
        if name in _BASIS and len(here) == len(on) and not error.ideal():
            if here[::-1] in channels and len(here) == 2:
                continue  # the same pair, the other way round
            channels.setdefault(here, {})[_BASIS[name]] = _channel(error)
    read = {
        wires[on[0]]: np.array(error.probabilities)
        for on, error in device.basic_device_readout_errors(target=target)
        if on[0] in wires
    }
    return NoiseModel([rule for on, own in channels.items() for rule in _rules(on, own)], readout=read)


def _rules(wires: tuple[int, ...], own: dict[str, Channel]) -> Iterable[Rule]:
    """Rules for all gates on a wire, or on a pair of them."""
    costs = _BY_SX if len(wires) == 1 else _BY_PAIR
    basis = "SX" if len(wires) == 1 else next(iter(own))
    for name, count in costs.items():
        if name in own:
            yield Rule(own[name], (name,), wires)
        elif basis in own:
            yield from [Rule(own[basis], (name,), wires)] * count
    yield from (Rule(channel, (name,), wires) for name, channel in own.items() if name not in costs)


def _channel(error: Any) -> Channel:
    from qiskit.quantum_info import Kraus

    operators = np.array(Kraus(error.to_quantumchannel()).data)
    # Qiskit's first qubit is the least significant bit.
    return Channel("QubitChannel", kraus=operators if operators.shape[1] == 2 else _SWAP @ operators @ _SWAP)
