"""Qiskit's runners by name, and by object: what each of them can do.

- `"qiskit:aer"` and `"qiskit:statevector"`: simulators;
- `"qiskit:FakeSherbrooke"`, or any other of `qiskit_ibm_runtime.fake_provider`: a device as it was once
  calibrated, simulated by Aer with its noise;
- `"qiskit:ibm_torino"`, or any other device of the account that `QiskitRuntimeService.save_account` saved;
- a `BackendV2`, or an `EstimatorV2`.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import Any

from qproj.backends.capabilities import Capabilities
from qproj.backends.families import unknown_object
from qproj.backends.qiskit_samplers import (
    AerSampler,
    DeviceSampler,
    EstimatorSampler,
    QiskitSampler,
    StatevectorSampler,
)
from qproj.backends.qiskit_templates import runnable
from qproj.extras import needed
from qproj.registry import unknown_name

# What IBM's primitives take where nobody says.
_DEFAULT_SHOTS = 4096
_UNITARY = runnable(noise=False)
_JOBS = frozenset({"optimization_level", "timeout"})
_OUTCOMES = frozenset({"expectations", "probabilities", "samples"})
_DEVICE = Capabilities(
    exact=False,
    shots=True,
    shots_per="group",
    default_shots=_DEFAULT_SHOTS,
    options=_JOBS | {"mode"},
    measures=_OUTCOMES,
    gates=_UNITARY,
)
_AER = Capabilities(
    shots=True,
    shots_per="group",
    seed=True,
    noise=True,
    options=_JOBS | {"method", "device"},
    measures=_OUTCOMES,
    gates=runnable(noise=True),
    holds="states",
)
PACKAGE = "qiskit_aer"
NAMES = {
    "aer": _AER,
    "statevector": Capabilities(
        shots=True,
        shots_per="group",
        seed=True,
        options=_JOBS,
        measures=_OUTCOMES,
        gates=_UNITARY,
        holds="states",
    ),
    "FakeSherbrooke": _DEVICE,
}


def load(what: Any) -> QiskitSampler:
    """Return the sampler of a runner.

    Args:
        what: Its name in this family, a `BackendV2` or an `EstimatorV2`.

    Returns:
        The sampler; of the last few objects the same one each time, with what it has transpiled.

    Raises:
        ImportError: If a package is not installed.
        TypeError: If it is an object of Qiskit's that runs nothing.
        ValueError: If there is no runner of that name, or no account that has it.
    """
    if isinstance(what, str):
        return _named(what)
    from qiskit.primitives import BaseEstimatorV2
    from qiskit.providers import BackendV2

    if not isinstance(what, BackendV2 | BaseEstimatorV2):
        raise unknown_object(what)
    return _of_object(what)


def _named(name: str) -> QiskitSampler:
    full = f"qiskit:{name}"
    needed("qiskit", "qiskit", f"backend {full!r}")
    if name == "statevector":
        return StatevectorSampler(full, NAMES[name])
    if name == "aer":
        needed("qiskit_aer", "qiskit", f"backend {full!r}")
        return AerSampler(full, _AER)
    if name.startswith("Fake"):
        return _device(full, _fake(name))
    if name.startswith("ibm_"):
        return _device(full, _account(name))
    raise unknown_name(
        "backend", full, [f"qiskit:{known}" for known in NAMES], " Devices of an account begin with ibm_."
    )


def _fake(name: str) -> Any:
    """A device as it was once calibrated."""
    provider = needed("qiskit_ibm_runtime.fake_provider", "qiskit", f"backend 'qiskit:{name}'")
    needed("qiskit_aer", "qiskit", f"backend 'qiskit:{name}'")
    known = [known for known in dir(provider) if known.startswith("Fake") and "Provider" not in known]
    if name not in known:
        raise unknown_name("backend", f"qiskit:{name}", [f"qiskit:{known}" for known in known])
    return getattr(provider, name)()


def _account(name: str) -> Any:
    """A device of the account that is saved on this machine."""
    runtime = needed("qiskit_ibm_runtime", "qiskit", f"backend 'qiskit:{name}'")
    try:
        return runtime.QiskitRuntimeService().backend(name)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"backend 'qiskit:{name}' must be a device of your IBM Quantum account, but Qiskit Runtime says: "
            f"{type(error).__name__}: {reason[0] if reason else ''} Save the account by "
            "QiskitRuntimeService.save_account(token=..., overwrite=True), or give the backend as an object."
        ) from error


@functools.lru_cache(maxsize=16)
def _of_object(what: Any) -> QiskitSampler:
    return _device(str(what.name), what) if hasattr(what, "target") else _estimator(what)


def _device(name: str, backend: Any) -> QiskitSampler:
    most = backend.num_qubits
    if isinstance(backend, needed("qiskit_aer", "qiskit", f"backend {name!r}").AerSimulator):
        noisy = backend.options.get("noise_model") is not None
        # Exact values of Aer's leave readout errors out, so of a noisy simulator bits are measured.
        changes: dict[str, Any] = {"default_shots": _DEFAULT_SHOTS, "exact": False} if noisy else {}
        can = replace(_AER, noise=False, options=_JOBS, max_qubits=most, **changes)
        return AerSampler(name, can, backend)
    needed("qiskit_ibm_runtime", "qiskit", f"backend {name!r}")
    return DeviceSampler(name, replace(_DEVICE, max_qubits=most), backend)


def _estimator(estimator: Any) -> QiskitSampler:
    name = type(estimator).__name__
    # Those of simulators add noise to exact values where shots are asked for, of which none is measured.
    exact = name == "StatevectorEstimator" or type(estimator).__module__.startswith("qiskit_aer.")
    backend = getattr(estimator, "backend", None)
    backend = backend() if inspect.ismethod(backend) else backend
    can = Capabilities(
        exact=exact,
        shots=not exact,
        shots_per="group",
        default_shots=None if exact else _DEFAULT_SHOTS,
        options=_JOBS,
        measures=frozenset({"expectations", "probabilities"}),
        gates=_UNITARY,
        max_qubits=getattr(backend, "num_qubits", None),
    )
    return EstimatorSampler(name, can, estimator, backend)
