"""Qiskit's runners as samplers: state vectors, Aer, devices by Qiskit Runtime, and a user's estimators.

A circuit is transpiled once. A call is one job: all rows are one array of parameters in it, and all words one
array of observables. Exact values, and those of devices, come from an `EstimatorV2`; a simulator's shots from
its `SamplerV2`, since simulators' estimators add noise to exact values, and leave readout errors out.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from qproj.backends import readings
from qproj.backends.capabilities import Capabilities
from qproj.backends.qiskit_templates import circuit_of, columns_of
from qproj.backends.resuming import fingerprint
from qproj.backends.sampler import Array, Bound, Template
from qproj.circuits.circuit import Circuit
from qproj.circuits.grouping import Group, groups
from qproj.circuits.qiskit_observables import of_terms
from qproj.planning.execution import Execution, Extra

# Circuits that a sampler remembers as transpiled.
_REMEMBERED = 64
_SEED = 2**31
_EXACT_NOISE = "density_matrix"  # Aer's only method that draws no branches of channels
_LONGEST_WAIT = 5.0  # seconds between two looks at a job


class QiskitSampler:
    """What Qiskit's runners have in common; see `qproj.backends.sampler.Sampler`.

    Args:
        name: For messages.
        capabilities: What the runner can do.
    """

    def __init__(self, name: str, capabilities: Capabilities) -> None:
        self.name, self.capabilities = name, capabilities
        self._waiting: dict[Hashable, Any] = {}
        self._transpiled = functools.lru_cache(_REMEMBERED)(self._transpile)

    def target(self, execution: Execution) -> Any:
        """The backend that circuits are transpiled for, or `None`."""
        raise NotImplementedError

    def estimator(self, execution: Execution) -> Any:
        """An `EstimatorV2` for this execution, or `None` where bits are to be measured."""
        raise NotImplementedError

    def sampler(self, execution: Execution, seed: int | None) -> Any:
        """A `SamplerV2` for this execution."""
        raise NotImplementedError

    def run(self, bound: Bound, execution: Execution) -> Any:
        """See `qproj.backends.sampler.Sampler`."""
        if bound.measure == "samples":
            every = Group("Z" * bound.template.circuit.n_qubits, ())
            return self._bits(bound, execution, (every,))[0]
        estimator = self.estimator(execution)
        if estimator is not None:
            return self._estimated(estimator, bound, execution)
        chosen = groups(bound.template.circuit)
        return readings.values(bound.template.circuit, self._bits(bound, execution, chosen))

    def _estimated(self, estimator: Any, bound: Bound, execution: Execution) -> Array:
        circuit, columns = self._transpiled(bound.template, "", _alike(execution))
        operators = [op.apply_layout(circuit.layout) for op in of_terms(bound.template.circuit)]
        observables = [[operator] for operator in operators]  # one for each row of the result
        angles = columns_of(bound.angles, bound.amplitudes)[:, columns]
        # Exactly so many shots, whatever is rounded where they are counted.
        precision = 0.0 if execution.shots is None else (execution.shots - 0.5) ** -0.5
        pubs = [(circuit, observables, angles)] if columns else [(circuit, observables)] * len(bound)
        results = self._result(lambda: estimator.run(pubs, precision=precision), bound, execution)
        return np.hstack([np.reshape(result.data.evs, (len(operators), -1)) for result in results]).T

    def _bits(self, bound: Bound, execution: Execution, chosen: tuple[Group, ...]) -> list[readings.Bits]:
        seed = None if bound.seeds is None else int(bound.seeds[0] % _SEED)
        n, angles = bound.template.circuit.n_qubits, columns_of(bound.angles, bound.amplitudes)
        pubs: list[Any] = []
        for group in chosen:
            circuit, columns = self._transpiled(bound.template, group.basis, _alike(execution))
            shots = group.shots(execution.shots or 1)
            pubs += (
                [(circuit, angles[:, columns], shots)] if columns else [(circuit, None, shots)] * len(bound)
            )
        results = self._result(lambda: self.sampler(execution, seed).run(pubs), bound, execution)
        found = [np.unpackbits(result.data.meas.array, axis=-1)[..., : -n - 1 : -1] for result in results]
        each = len(found) // len(chosen)
        parts = [found[i : i + each] for i in range(0, len(found), each)]
        return [part[0] if part[0].ndim == 3 else np.stack(part) for part in parts]

    def _transpile(self, template: Template, basis: str, execution: Execution) -> tuple[Any, list[int]]:
        """A circuit for the target, which measures in a basis if any; and the columns of its parameters."""
        circuit = circuit_of(template)
        order = {parameter: column for column, parameter in enumerate(circuit.parameters)}
        for wire, letter in enumerate(basis):
            if letter == "Y":
                circuit.sdg(wire)
            if letter in "XY":
                circuit.h(wire)
        if basis:
            circuit.measure_all()
        target = self.target(execution)
        if target is not None:
            from qiskit import transpile

            level = execution.extra.get("optimization_level", 1)
            circuit = transpile(circuit, backend=target, optimization_level=level, seed_transpiler=0)
        # Angles that make no difference may be gone.
        return circuit, [order[parameter] for parameter in circuit.parameters]

    def _result(self, submit: Any, bound: Bound, execution: Execution) -> Any:
        """The result of a job: a new one, or that of equal runs which did not finish in time."""
        key = fingerprint(bound, execution)
        job = self._waiting.pop(key, None) or submit()
        limit = execution.extra.get("timeout")
        start, wait = time.monotonic(), 0.001
        while limit is not None and not job.in_final_state():
            if time.monotonic() - start > limit:
                self._waiting[key] = job
                raise TimeoutError(
                    f"job {job.job_id()} did not finish within {limit} s and is still there. Run the same "
                    "batch again to go on waiting for it, or give a longer backend_options={'timeout': ...}."
                )
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        return job.result()


class StatevectorSampler(QiskitSampler):
    """Qiskit's own reference simulator."""

    def target(self, execution: Execution) -> None:
        """See `QiskitSampler`."""

    def estimator(self, execution: Execution) -> Any:
        """See `QiskitSampler`."""
        from qiskit.primitives import StatevectorEstimator

        return StatevectorEstimator() if execution.shots is None else None

    def sampler(self, execution: Execution, seed: int | None) -> Any:  # noqa: ARG002
        """See `QiskitSampler`."""
        from qiskit.primitives import StatevectorSampler

        # A bare number would draw the same for every row.
        return StatevectorSampler(seed=np.random.default_rng(seed))


class AerSampler(QiskitSampler):
    """Aer.

    Args:
        name: For messages.
        capabilities: What it can do.
        backend: An `AerSimulator` of the user's; made of the execution's options if `None`.
    """

    reads = True

    def __init__(self, name: str, capabilities: Capabilities, backend: Any = None) -> None:
        super().__init__(name, capabilities)
        self._given = backend

    def target(self, execution: Execution) -> Any:
        """See `QiskitSampler`."""
        if self._given is not None:
            return self._given
        options = {k: v for k, v in execution.extra.items() if k in ("method", "device")}
        return _simulator(Extra(options))

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise ValueError where Aer would draw noise at random though exact values are asked for."""
        method = execution.extra.get("method", _EXACT_NOISE)
        if circuit.channels and execution.shots is None and method != _EXACT_NOISE:
            raise ValueError(
                f"method of backend_options must be {_EXACT_NOISE!r} where values with noise are exact, but "
                f"was {method!r}, by which Aer draws the noise at random. Leave it out, or give shots too."
            )

    def run(self, bound: Bound, execution: Execution) -> Any:
        """See `QiskitSampler`."""
        if bound.template.circuit.channels and execution.shots is None:
            execution = replace(execution, extra=Extra({**execution.extra, "method": _EXACT_NOISE}))
        return super().run(bound, execution)

    def estimator(self, execution: Execution) -> Any:
        """See `QiskitSampler`."""
        from qiskit_aer.primitives import EstimatorV2

        return EstimatorV2.from_backend(self.target(execution)) if execution.shots is None else None

    def sampler(self, execution: Execution, seed: int | None) -> Any:
        """See `QiskitSampler`."""
        from qiskit_aer.noise import NoiseModel
        from qiskit_aer.primitives import SamplerV2

        sampler = SamplerV2.from_backend(self.target(execution), seed=seed)
        noise = execution.noise
        if noise is not None and noise.readout:
            read = NoiseModel()
            for error in noise.readout:
                if error.wire is None:
                    read.add_all_qubit_readout_error(error.confusion)
                else:
                    read.add_readout_error(error.confusion, [error.wire])
            sampler.options.run_options["noise_model"] = read
        return sampler


class DeviceSampler(QiskitSampler):
    """A device, or a simulation of one, by Qiskit Runtime: the same calls for both.

    Args:
        name: For messages.
        capabilities: What it can do.
        backend: A `BackendV2`.
    """

    def __init__(self, name: str, capabilities: Capabilities, backend: Any) -> None:
        super().__init__(name, capabilities)
        self._backend, self._modes = backend, {}  # type: ignore[var-annotated]

    def target(self, execution: Execution) -> Any:  # noqa: ARG002
        """See `QiskitSampler`."""
        return self._backend

    def estimator(self, execution: Execution) -> Any:
        """See `QiskitSampler`."""
        return _runtime("EstimatorV2", self._mode(execution))

    def sampler(self, execution: Execution, seed: int | None) -> Any:  # noqa: ARG002
        """See `QiskitSampler`."""
        return _runtime("SamplerV2", self._mode(execution))

    def _mode(self, execution: Execution) -> Any:
        """The backend; or the session or batch that its jobs belong to, the same one from call to call."""
        name = execution.extra.get("mode", "job")
        if name not in ("job", "session", "batch"):
            raise ValueError(f"mode of backend_options must be job, session or batch, but was {name!r}.")
        if name == "job":
            return self._backend
        if name not in self._modes:
            import qiskit_ibm_runtime

            kind = {"session": qiskit_ibm_runtime.Session, "batch": qiskit_ibm_runtime.Batch}[name]
            self._modes[name] = kind(backend=self._backend)
        return self._modes[name]


class EstimatorSampler(QiskitSampler):
    """An `EstimatorV2` of a user's.

    Args:
        name: For messages.
        capabilities: What it can do.
        estimator: The estimator.
        backend: What circuits are transpiled for, or `None`.
    """

    def __init__(self, name: str, capabilities: Capabilities, estimator: Any, backend: Any) -> None:
        super().__init__(name, capabilities)
        self._estimator, self._backend = estimator, backend

    def target(self, execution: Execution) -> Any:  # noqa: ARG002
        """See `QiskitSampler`."""
        return self._backend

    def estimator(self, execution: Execution) -> Any:  # noqa: ARG002
        """See `QiskitSampler`."""
        return self._estimator


def _runtime(kind: str, mode: Any) -> Any:
    import qiskit_ibm_runtime

    with warnings.catch_warnings():
        # From 0.50 on its successor is announced, which is not yet the one that this name stands for.
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(qiskit_ibm_runtime, kind)(mode=mode)


def _alike(execution: Execution) -> Execution:
    """What decides how a circuit is transpiled."""
    shots = None if execution.shots is None else 1
    return Execution(shots=shots, noise=execution.noise, extra=execution.extra)


@functools.lru_cache(maxsize=_REMEMBERED)
def _simulator(options: Extra) -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator(**options)
