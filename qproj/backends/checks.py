"""Refusal of what a backend cannot do, from its capabilities alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qproj.backends.capabilities import Capabilities
from qproj.backends.families import advertised
from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Fidelity
from qproj.memory import format_bytes, physical_memory
from qproj.noise import NoiseModel
from qproj.planning.execution import Execution
from qproj.planning.strategies import DIFF_METHODS, NOISY_STRATEGIES, STRATEGIES
from qproj.registry import unknown_name


def check(label: str, capabilities: Capabilities, circuit: Circuit, execution: Execution) -> None:
    """Raise where a backend cannot run a circuit in this way.

    Args:
        label: The backend, for messages: `"backend 'jax'"`.
        capabilities: What it can do.
        circuit: The circuit.
        execution: How it is to be run.

    Raises:
        ValueError: If the backend cannot do what is asked for; the message names those that can.
        TypeError: If `shots` or `seed` are of the wrong type.
    """
    if execution.diff_method not in ("best", *DIFF_METHODS):
        raise unknown_name("diff_method", execution.diff_method, ("best", *DIFF_METHODS))
    strategies = ("auto", *STRATEGIES, *NOISY_STRATEGIES)
    if execution.strategy not in strategies:
        raise unknown_name("strategy", execution.strategy, strategies)
    if execution.strategy not in ("auto", *capabilities.strategies):
        raise ValueError(
            f"strategy must be {_either(('auto', *capabilities.strategies))} on {label}, but was "
            f"{execution.strategy!r}: strategy is for backend {_able(lambda c: bool(c.strategies))}."
        )
    _check_size(label, capabilities, circuit)
    _check_measures(label, capabilities, circuit, execution)
    _check_shots(label, capabilities, execution)
    _check_seed(label, capabilities, circuit, execution)
    _check_noise(label, capabilities, circuit, execution)
    for name in execution.extra:
        if name not in capabilities.options:
            known = _either(sorted(capabilities.options)) if capabilities.options else "none"
            raise ValueError(
                f"backend_options must be of {known} on {label}, but held {name!r}. Backends that have it: "
                f"{_able(partial(_takes, name))}."
            )
    shots, works = execution.shots or capabilities.default_shots, exact_or_not(capabilities, execution)
    if execution.diff_method not in ("best", *works):
        listed = ", ".join(repr(name) for name in ("best", *DIFF_METHODS) if name in {"best", *works})
        where = f"on {label}" + (f" with shots={shots}" if shots else "")
        raise ValueError(f"diff_method must be one of {listed} {where}, but was {execution.diff_method!r}.")


def exact_or_not(capabilities: Capabilities, execution: Execution) -> tuple[str, ...]:
    """The differentiation methods there are for this execution: measurements are differentiated by shifts."""
    measured = execution.shots or capabilities.default_shots
    return ("parameter-shift",) if measured else capabilities.diff_methods


def check_memory(label: str, capabilities: Capabilities, n_qubits: int, limit: int | None = None) -> None:
    """Raise ValueError where a density matrix does not fit into memory.

    Args:
        label: The backend, for the message.
        capabilities: What it can do, and holds.
        n_qubits: Number of qubits.
        limit: Bytes there are; this machine's memory if `None`.
    """
    limit = physical_memory() if limit is None else limit
    # Before a gate and after it: as measured on default.mixed, PennyLane 0.45.
    needed = 2 * capabilities.bytes_of(n_qubits)
    if capabilities.holds == "density matrices" and limit is not None and needed > limit:
        most = ((limit // 32).bit_length() - 1) // 2
        raise ValueError(
            f"n_qubits must be at most {most} on {label} on this machine, but was {n_qubits}: its density "
            f"matrices take {format_bytes(needed)}, and there are {format_bytes(limit)} of memory. Choose a "
            "backend that holds a state vector, such as 'lightning.qubit'."
        )


def _check_size(label: str, capabilities: Capabilities, circuit: Circuit) -> None:
    check_memory(label, capabilities, circuit.n_qubits)
    if capabilities.max_qubits is not None and circuit.n_qubits > capabilities.max_qubits:
        raise ValueError(
            f"backend must have at least {circuit.n_qubits} wires, as many as the circuit has qubits, but "
            f"{label} has {capabilities.max_qubits}. Choose a larger one; PennyLane devices are made with "
            f"wires={circuit.n_qubits}."
        )


def _check_measures(label: str, capabilities: Capabilities, circuit: Circuit, execution: Execution) -> None:
    for observable in circuit.observables:
        needed = observable.needs
        if needed not in capabilities.measures:
            raise ValueError(
                f"observables must be of {_either(sorted(capabilities.measures))} on {label}, but "
                f"{observable} needs {needed!r}. Backends that have it: {_able(partial(_measures, needed))}."
            )
        exact = needed == "states" and not isinstance(observable, Fidelity)
        if exact and (execution.shots or capabilities.default_shots):
            raise ValueError(
                f"observables must be of outcomes where shots are asked for, but {observable} needs "
                "the state, which no measurement gives. Use shots=None, or measure 'probs'."
            )


def _check_shots(label: str, capabilities: Capabilities, execution: Execution) -> None:
    shots = execution.shots
    if shots is None:
        if not capabilities.exact and capabilities.default_shots is None:
            raise ValueError(
                f"shots must be a number on {label}, which has no exact values, but was None. Backends that "
                f"have: {_able(lambda c: c.exact)}."
            )
        return
    _check_number("shots", shots, 1, "exact values")
    if not capabilities.shots:
        raise ValueError(
            f"shots must be None with {label}, which is exact, but was {shots!r}. Backends that measure: "
            f"{_able(lambda c: c.shots)}."
        )


def _check_noise(label: str, capabilities: Capabilities, circuit: Circuit, execution: Execution) -> None:
    noise = execution.noise
    if noise is None and not circuit.channels:
        return
    if not capabilities.noise:
        what = "noise must be None" if noise is not None else "circuit must be free of channels"
        was = repr(noise) if noise is not None else f"held {circuit.channels[0]}"
        raise ValueError(
            f"{what} on {label}, which has no noise, but {'was ' if noise is not None else ''}{was}. "
            f"Backends that have: {_able(lambda c: c.noise)}."
        )
    if noise is not None and not isinstance(noise, NoiseModel):
        raise TypeError(f"noise must be a qproj.noise.NoiseModel or None, but was {noise!r}.")


def _check_seed(label: str, capabilities: Capabilities, circuit: Circuit, execution: Execution) -> None:
    seed = execution.seed
    if seed is None:
        return
    _check_number("seed", seed, 0, "fresh randomness")
    if not capabilities.seed:
        raise ValueError(
            f"seed must be None on {label}, which takes none, but was {seed!r}. Backends that do: "
            f"{_able(lambda c: c.seed)}."
        )
    measured = execution.shots is not None or capabilities.default_shots is not None
    if not measured and execution.noise is None and not circuit.channels:
        raise ValueError(
            f"seed must be None where values are exact, but was {seed!r} with shots=None. Give shots=... too."
        )


def _check_number(name: str, value: object, least: int, otherwise: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int or None, but was {value!r} ({type(value).__name__}).")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, or None for {otherwise}, but was {value}.")


def _able(can: Callable[[Capabilities], bool]) -> str:
    return ", ".join(repr(name) for name, c in advertised().items() if can(c)) or "none that is installed"


def _takes(option: str, capabilities: Capabilities) -> bool:
    return option in capabilities.options


def _measures(what: str, capabilities: Capabilities) -> bool:
    return what in capabilities.measures


def _either(names: tuple[str, ...] | list[str]) -> str:
    return repr(names[0]) if len(names) == 1 else "one of " + ", ".join(map(repr, names))
