"""Qiskit's primitives on the engine; only who asks `qproj.qiskit` for them imports Qiskit."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import accumulate, chain
from typing import Any

import numpy as np
from qiskit.primitives import (
    BaseEstimatorV2,
    BasePrimitiveJob,
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveResult,
    PubResult,
    SamplerPubResult,
)
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers import JobStatus, Options

from qproj.circuits.measurements import Probs
from qproj.circuits.qiskit_observables import observables_of
from qproj.interop.qiskit_runs import Read, Runner, by_circuit, read
from qproj.planning.execution import Execution


class Done(BasePrimitiveJob[Any, Any]):  # type: ignore[misc]
    """A job that has finished.

    Args:
        result: What came out.
    """

    def __init__(self, result: Any) -> None:
        super().__init__(str(uuid.uuid4()))
        self._result = result

    def result(self) -> Any:
        """What came out."""
        return self._result

    def status(self) -> Any:
        """That it is done."""
        return JobStatus.DONE

    def done(self) -> bool:
        """That it is."""
        return True

    def running(self) -> bool:
        """That it is not."""
        return False

    def cancelled(self) -> bool:
        """That it is not."""
        return False

    def in_final_state(self) -> bool:
        """That it is."""
        return True

    def cancel(self) -> None:
        """Nothing: it has finished."""


class QprojEstimator(BaseEstimatorV2):  # type: ignore[misc]
    """Qiskit's `EstimatorV2` on the engine: expectation values, exact unless `shots` are asked for.

    A PUB is one batch, and PUBs of one circuit are run together. Exact values meet any precision that is
    asked for, so `precision` is not looked at.

    Args:
        backend: Who runs circuits, as for `qproj.QuantumLayer`.
        shots: As there.
        seed: As there.
        noise: As there.
    """

    def __init__(
        self, backend: Any = "jax", *, shots: int | None = None, seed: int | None = None, noise: Any = None
    ) -> None:
        self.runner = Runner(backend, Execution(shots=shots, seed=seed, noise=noise))

    @property
    def options(self) -> Options:
        """None; Qiskit's gradients ask for them."""
        return Options()

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> Done:
        """Run PUBs.

        Args:
            pubs: `(circuit, observables, parameter values)`; the latter two are broadcast.
            precision: Not looked at.

        Returns:
            A finished job; `job.result()[i].data.evs` has the broadcast shape of the i-th PUB, float64.

        Raises:
            ValueError: If a circuit or an observable cannot be expressed; see `Circuit.from_qiskit`.
        """
        coerced = [EstimatorPub.coerce(pub, precision) for pub in pubs]
        found: list[Any] = [None] * len(coerced)
        for circuit, places in by_circuit([pub.circuit for pub in coerced]):
            self._run(circuit, [coerced[place] for place in places], found, places)
        return Done(PrimitiveResult(found, metadata={"version": 2}))

    def _run(self, circuit: Any, pubs: list[EstimatorPub], found: list[Any], places: list[int]) -> None:
        """PUBs of one circuit: all their rows, and all their observables, in one batch."""
        tables = [_rows(pub, circuit) for pub in pubs]
        # A network sends its table once for each observable; it is run once.
        starts: dict[bytes, int] = {}
        different, end = [], 0
        for table in tables:
            if starts.setdefault(table.tobytes(), end) == end:
                different.append(table)
                end += len(table)
        labels = [[_key(item) for item in pub.observables.ravel().tolist()] for pub in pubs]
        names = {key: number for number, key in enumerate(dict.fromkeys(chain.from_iterable(labels)))}
        measured = observables_of([dict(key) for key in names])
        values = self.runner.values(read(circuit).circuit(measured), np.vstack(different))
        for place, pub, table, label in zip(places, pubs, tables, labels, strict=True):
            rows = starts[table.tobytes()] + np.arange(len(table)).reshape(pub.parameter_values.shape)
            columns = np.array([names[key] for key in label]).reshape(pub.observables.shape)
            evs = values[tuple(np.broadcast_arrays(rows, columns))]
            data = DataBin(evs=evs, stds=np.zeros_like(evs), shape=evs.shape)
            found[place] = PubResult(data, metadata={"target_precision": pub.precision})


class QprojSampler(BaseSamplerV2):  # type: ignore[misc]
    """Qiskit's `SamplerV2` on the engine: bits drawn from exact probabilities.

    Args:
        default_shots: Measurements where a PUB asks for no number.
        seed: Of the draws: a sampler's runs continue one another. Fresh randomness if `None`.
        backend: Who computes the probabilities, as for `qproj.QuantumLayer`.
        noise: As there.
    """

    def __init__(
        self, *, default_shots: int = 1024, seed: int | None = None, backend: Any = "jax", noise: Any = None
    ) -> None:
        self.default_shots = default_shots
        self.runner = Runner(backend, Execution(noise=noise))
        self._generator = np.random.default_rng(seed)

    @property
    def options(self) -> Options:
        """None; Qiskit's gradients ask for them."""
        return Options()

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> Done:
        """Run PUBs.

        Args:
            pubs: `(circuit, parameter values, shots)`; circuits are measured at their end.
            shots: Measurements where a PUB asks for no number.

        Returns:
            A finished job; `job.result()[i].data` has a `BitArray` for each classical register.

        Raises:
            ValueError: If a circuit cannot be expressed, or measures nothing.
        """
        coerced = [SamplerPub.coerce(pub, shots or self.default_shots) for pub in pubs]
        found: list[Any] = [None] * len(coerced)
        for circuit, places in by_circuit([pub.circuit for pub in coerced]):
            tables = [_rows(coerced[place], circuit) for place in places]
            probabilities = self.runner.values(outcomes(read(circuit)), np.vstack(tables))
            ends = accumulate(map(len, tables))
            for place, end, table in zip(places, ends, tables, strict=True):
                part = probabilities[end - len(table) : end]
                found[place] = self._drawn(coerced[place], read(circuit), part)
        return Done(PrimitiveResult(found, metadata={"version": 2}))

    def _drawn(self, pub: SamplerPub, circuit: Read, probabilities: Any) -> SamplerPubResult:
        """Bits of probabilities `(rows, outcomes)`, a `BitArray` for each register."""
        chances = np.cumsum(np.clip(probabilities, 0, None), axis=1)
        chances /= chances[:, -1:]
        # One search for all rows: row i has the numbers from i to i + 1.
        steps = np.arange(len(chances))[:, None]
        drawn = self._generator.random((len(chances), pub.shots))
        flat = np.searchsorted((chances + steps).ravel(), (drawn + steps).ravel(), side="right")
        indices = flat.reshape(drawn.shape) - steps * chances.shape[1]
        order = sorted(circuit.measured)  # the outcome's least significant bit is that of the first of these
        number = {bit: place for place, bit in enumerate(pub.circuit.clbits)}
        registers = {}
        for register in pub.circuit.cregs:
            bits = [number[bit] for bit in register]
            columns = [indices >> order.index(b) & 1 if b in order else 0 * indices for b in bits]
            array = np.stack(columns, axis=-1).astype(bool)
            shaped = array.reshape(*pub.parameter_values.shape, pub.shots, len(bits))
            registers[register.name] = BitArray.from_bool_array(shaped, order="little")
        data = DataBin(**registers, shape=pub.parameter_values.shape)
        return SamplerPubResult(data, metadata={"shots": pub.shots})


def outcomes(circuit: Read) -> Any:
    """A circuit of the probabilities of what it measures, the last classical bit most significant.

    Raises:
        ValueError: If it measures nothing.
    """
    if not circuit.measured:
        raise ValueError(
            "circuit must measure something for a sampler, but did not. Add circuit.measure_all()."
        )
    wires = [circuit.measured[bit] for bit in sorted(circuit.measured, reverse=True)]
    return circuit.circuit((Probs(tuple(wires)),))


def _rows(pub: Any, circuit: Any) -> Any:
    """The parameter values of a PUB, `(rows, n_parameters)`, sorted by name."""
    array = pub.parameter_values.as_array(circuit.parameters)
    return np.reshape(array, (pub.parameter_values.size, circuit.num_parameters)).astype(np.float64)


def _key(observable: Any) -> Any:
    """A sum of Pauli words as a key."""
    return tuple(sorted(observable.items()))
