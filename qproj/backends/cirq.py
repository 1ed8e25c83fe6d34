"""Cirq's simulators, and any simulator or sampler of Cirq's interface: `backend="cirq:simulator"`.

Rows are a sweep: one call of Cirq's for all of them. Only where the inputs are amplitudes does each row start
in a state of its own, which Cirq takes one at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from qproj.backends import families, readings
from qproj.backends.capabilities import Capabilities
from qproj.backends.sampler import Array, Bound, Template
from qproj.circuits.cirq_writing import CHANNELS, GATES, operations
from qproj.circuits.gates import Constant, WeightSlot
from qproj.circuits.grouping import groups
from qproj.circuits.observables import PauliWord
from qproj.extras import needed
from qproj.planning.execution import Execution
from qproj.registry import unknown_name

_MEASURES: Any = {"shots": True, "shots_per": "group", "measures": frozenset({"expectations", "samples"})}
_STATES = Capabilities(**_MEASURES, seed=True, gates=GATES, holds="states")
PACKAGE = "cirq"
NAMES = {
    "simulator": _STATES,
    "density_matrix": Capabilities(
        **_MEASURES, seed=True, noise=True, gates=GATES | CHANNELS, holds="density matrices"
    ),
}
# Of other packages. qsim computes in single precision.
_ELSEWHERE = {"qsim": _STATES}


class CirqSampler:
    """Runs circuits on a simulator or sampler of Cirq's interface; see `qproj.backends.sampler.Sampler`.

    Args:
        backend: A name in `NAMES`, `"qsim"`, or an object: a `cirq.SimulatesExpectationValues` for exact
            values, a `cirq.Sampler` for measurements, or both.

    Raises:
        ImportError: If the package is not installed.
        ValueError: If there is no such name.
        TypeError: If the object is neither.
    """

    reads = True

    def __init__(self, backend: Any) -> None:
        cirq = needed("cirq", "cirq", "backend 'cirq'")
        self._given = None if isinstance(backend, str) else backend
        self.name = f"cirq:{backend}" if isinstance(backend, str) else type(backend).__name__
        if isinstance(backend, str):
            known = NAMES | _ELSEWHERE
            if backend not in known:
                raise unknown_name("backend", self.name, [f"cirq:{name}" for name in known])
            self.capabilities = known[backend]
            self._make(None)  # a package that is missing shows here
            return
        exact = isinstance(backend, cirq.SimulatesExpectationValues)
        shots = isinstance(backend, cirq.Sampler)
        if not exact and not shots:
            raise families.unknown_object(backend)
        mixed = isinstance(backend, cirq.DensityMatrixSimulator)
        self.capabilities = Capabilities(
            exact=exact,
            shots=shots,
            shots_per="group",
            measures=frozenset({"expectations", *(["samples"] if shots else [])}),
            noise=mixed,
            gates=GATES | CHANNELS if mixed else GATES,
            holds="density matrices" if mixed else "states" if exact else "",
        )

    def check(self, circuit: Any, execution: Execution) -> None:  # noqa: ARG002
        """Raise ValueError for channels whose strengths are weights."""
        for channel in circuit.channels:
            if any(isinstance(strength, WeightSlot) for strength in channel.parameters):
                raise ValueError(
                    f"strengths must be constant on backend {self.name!r}, but that of {channel} on wires "
                    f"{channel.wires} was not. Use backend='jax'."
                )

    def run(self, bound: Bound, execution: Execution) -> Any:
        """See `qproj.backends.sampler.Sampler`."""
        simulator = self._make(bound.seeds)
        circuit, qubits = _circuit(bound.template)
        if bound.measure == "samples":
            return self._bits(simulator, bound, execution, "Z" * len(qubits))
        if execution.shots is None:
            return self._exact(simulator, bound, circuit, qubits)
        chosen = groups(bound.template.circuit)
        bits = [self._bits(simulator, bound, execution, group.basis) for group in chosen]
        return readings.values(bound.template.circuit, bits)

    def _exact(self, simulator: Any, bound: Bound, circuit: Any, qubits: list[Any]) -> Array:
        observables = [_observable(word, qubits) for word in bound.template.circuit.words]
        if bound.amplitudes is None:
            found = simulator.simulate_expectation_values_sweep(
                circuit, observables, params=_sweep(bound), qubit_order=qubits
            )
        else:
            # qsim computes in single precision, and takes no other states.
            single = type(simulator).__module__.partition(".")[0] == "qsimcirq"
            states = bound.amplitudes.astype(np.complex64 if single else np.complex128)
            found = [
                simulator.simulate_expectation_values(
                    circuit, observables, param_resolver=row, qubit_order=qubits, initial_state=state
                )
                for row, state in zip(_sweep(bound), states, strict=True)
            ]
        return np.real(np.array(found))

    def _bits(self, simulator: Any, bound: Bound, execution: Execution, basis: str) -> Any:
        """Bits `(rows, shots, n_qubits)`, each wire measured in the basis of a letter."""
        import cirq

        circuit, qubits = _circuit(bound.template)
        turns = {"X": cirq.Y**-0.5, "Y": cirq.X**0.5}
        circuit = circuit + [turns[p](q) for p, q in zip(basis, qubits, strict=True) if p in turns]
        circuit += cirq.measure(*qubits, key="bits", confusion_map=_confusions(execution, len(qubits)))
        shots = execution.shots
        if bound.amplitudes is None:
            results = simulator.run_sweep(circuit, params=_sweep(bound), repetitions=shots)
        else:
            prepared = [cirq.StatePreparationChannel(state)(*qubits) for state in bound.amplitudes]
            results = [
                simulator.run(cirq.Circuit(first, circuit), row, shots)
                for first, row in zip(prepared, _sweep(bound), strict=True)
            ]
        return np.array([result.measurements["bits"] for result in results], np.uint8)

    def _make(self, seeds: Any) -> Any:
        if self._given is not None:
            return self._given
        import cirq

        # NumPy's older generators, which Cirq uses, take 32 bits.
        seed = None if seeds is None else int(seeds[0]) % 2**32
        if self.name == "cirq:qsim":
            return needed("qsimcirq", "cirq", "backend 'cirq:qsim'").QSimSimulator(seed=seed)
        kind = cirq.Simulator if self.name == "cirq:simulator" else cirq.DensityMatrixSimulator
        return kind(dtype=np.complex128, seed=seed)


@functools.lru_cache(maxsize=64)
def _circuit(template: Template) -> tuple[Any, list[Any]]:
    """The circuit, with a symbol for each column of the table of angles, and its qubits."""
    import cirq
    import sympy

    qubits = cirq.LineQubit.range(template.circuit.n_qubits)

    def made() -> Iterator[Any]:
        for gate, column in zip(template.gates, template.columns, strict=True):
            angle = gate.angle.value if isinstance(gate.angle, Constant) else None
            yield from operations(gate, angle if column is None else sympy.Symbol(f"a{column}"), qubits)

    return cirq.Circuit(made()), qubits


def _sweep(bound: Bound) -> Any:
    import cirq

    names = [f"a{column}" for column in range(bound.angles.shape[1])]
    if not names:
        return cirq.ListSweep([{}] * len(bound))
    return cirq.Zip(*(cirq.Points(name, column) for name, column in zip(names, bound.angles.T, strict=True)))


def _observable(word: PauliWord, qubits: list[Any]) -> Any:
    import cirq

    letters = zip(word.letters, word.wires, strict=True)
    return cirq.PauliString({qubits[wire]: letter for letter, wire in letters if letter != "I"})


def _confusions(execution: Execution, n_qubits: int) -> dict[tuple[int, ...], Array]:
    if execution.noise is None or not execution.noise.readout:
        return {}
    return {(wire,): error.confusion for wire, error in enumerate(execution.noise.confusions(n_qubits))}


def load(backend: Any) -> CirqSampler:
    """Return the sampler of a name, or of an object; see `CirqSampler`."""
    return CirqSampler(backend or "simulator")
