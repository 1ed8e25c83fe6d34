"""The circuit: frozen data that every runner reads."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, get_args

from qproj.circuits.ansatz import ANSAETZE, AnsatzName
from qproj.circuits.drawing import draw
from qproj.circuits.encodings import ENCODINGS, EncodingName
from qproj.circuits.exchange import Exchange
from qproj.circuits.gates import Gate, write_out
from qproj.circuits.measurements import Fidelity, Measured, State
from qproj.circuits.observables import OBSERVABLES, Hamiltonian, Observable, ObservablesName, PauliWord
from qproj.circuits.parameters import InputSlot, Parameter, WeightSlot, count


@dataclass(frozen=True, init=False)
class Circuit(Exchange):
    """An encoding, an ansatz and what is measured after them, on qubits that start in |0...0>.

    Or any list of gates in place of the first two: `Circuit(gates=[Gate("RY", (0,), InputSlot(0)), ...])`.
    Wire 0 is the most significant bit of a basis state's index, as in PennyLane. Equal arguments give equal
    circuits, so a circuit is a key under which compiled programs are found. `print(circuit)` draws it.

    Args:
        n_qubits: Number of qubits, at least 1; by default 4, or as many as the gates need.
        n_layers: Number of ansatz layers, at least 1; by default 3.
        encoding: How inputs enter: a name of `qproj.circuits.encodings`; `"angle_y"` by default.
        ansatz: The trainable part: a name of `qproj.circuits.ansatz`; `"strongly_entangling"` by default.
        observables: What is measured: a name of `qproj.circuits.observables`, or a sequence of `PauliWord`,
            `Hamiltonian`, `Probs`, `Projector` and `Fidelity`, whose outputs come one after the other; or
            `State`, alone.
        reupload: Whether the inputs enter again before every layer (Perez-Salinas et al., "Data re-uploading
            for a universal quantum classifier" (2020), arXiv:1907.02085).
        gates: Gates of one's own, in the order in which they act. Excludes `n_layers`, `ansatz`, `reupload`
            and all encodings but `"amplitude"`.

    Attributes:
        observables: A tuple of what is measured.
        gates: All gates, in the order in which they act.
        n_layers, encoding, ansatz: 0, `""` and `""` where the gates were given.
        n_inputs: Number of input values per sample; with `"amplitude"` the largest number.
        n_outputs: Number of outputs per sample: one for each `PauliWord`, `Hamiltonian`, `Projector` and
            `Fidelity`, and as many as there are outcomes or amplitudes for `Probs` and `State`.
        n_values: Number of real values that a runner gives per sample: `n_outputs`, and of a state twice as
            many, all real parts and then all imaginary ones.
        weight_shape: Shape of the weights, as PennyLane's template of the ansatz has it.
        amplitudes: Whether the inputs are the amplitudes of the state the circuit starts in.

    Raises:
        ValueError: If a count is below 1, a name is unknown, a wire does not exist, or options exclude each
            other.
        TypeError: If a count is not an integer.
    """

    n_qubits: int
    n_layers: int
    encoding: str
    ansatz: str
    observables: tuple[Observable, ...]
    reupload: bool
    # Where not given, gates follow from the fields above; equality leaves them out then and stays cheap.
    own_gates: tuple[Gate, ...] = field(repr=False)
    gates: tuple[Gate, ...] = field(compare=False, repr=False)
    n_inputs: int = field(compare=False, repr=False)
    weight_shape: tuple[int, ...] = field(compare=False, repr=False)
    amplitudes: bool = field(compare=False, repr=False)

    def __init__(
        self,
        n_qubits: int | None = None,
        n_layers: int | None = None,
        encoding: EncodingName | None = None,
        ansatz: AnsatzName | None = None,
        observables: ObservablesName | Iterable[Observable] = "z",
        reupload: bool = False,
        *,
        gates: Iterable[Gate] | None = None,
    ) -> None:
        n_qubits = None if n_qubits is None else count("n_qubits", n_qubits)
        n_layers = None if n_layers is None else count("n_layers", n_layers)
        if reupload not in (True, False):
            raise TypeError(f"reupload must be True or False, but was {reupload!r}.")
        if gates is None:
            n_qubits, n_layers = n_qubits or 4, n_layers or 3
            entered: str = "angle_y" if encoding is None else encoding
            entangled: str = "strongly_entangling" if ansatz is None else ansatz
            enter, trained = ENCODINGS[entered](n_qubits), ANSAETZE[entangled](n_qubits, n_layers)
            if reupload and enter.amplitudes:
                raise ValueError(
                    f"reupload must be False with encoding {entered!r}, which prepares the state a circuit "
                    "starts in, but was True."
                )
            again = enter.gates if reupload else ()
            layers = [(again if i else ()) + layer for i, layer in enumerate(trained.layers)]
            own: tuple[Gate, ...] = ()
            all_gates = sum(layers, enter.gates + trained.start)
            n_inputs, weight_shape, amplitudes = enter.n_inputs, trained.weight_shape, enter.amplitudes
        else:
            own = all_gates = (gates,) if isinstance(gates, Gate) else tuple(gates)
            amplitudes = encoding == "amplitude"
            options = {"n_layers": n_layers, "ansatz": ansatz, "reupload": reupload}
            _check_alone(all_gates, options if amplitudes else options | {"encoding": encoding})
            n_qubits = n_qubits or 1 + max(max(gate.wires) for gate in all_gates)
            n_layers, entered, entangled = 0, "amplitude" if amplitudes else "", ""
            n_inputs, n_weights = _count_slots(all_gates)
            if amplitudes and n_inputs:
                raise ValueError("gates must have no InputSlot with encoding 'amplitude', but some had.")
            n_inputs = 2**n_qubits if amplitudes else n_inputs
            weight_shape = (n_weights,)
        if isinstance(observables, str):
            observables = OBSERVABLES[observables](n_qubits)
        values = {
            "n_qubits": n_qubits, "n_layers": n_layers, "encoding": entered, "ansatz": entangled,
            "observables": _observables(observables), "reupload": bool(reupload), "own_gates": own,
            "gates": all_gates, "n_inputs": n_inputs, "weight_shape": weight_shape,
            "amplitudes": amplitudes,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check_wires(n_qubits, all_gates, self.observables)

    def __hash__(self) -> int:
        # Asked for at every run of a layer, so computed once; and short, since equality does the rest.
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.n_qubits, self.n_layers, self.encoding, self.ansatz, len(self.gates)))

    def __getstate__(self) -> dict[str, object]:
        # Another process hashes text otherwise; what follows from the fields is computed there anew.
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def measuring(self, observables: ObservablesName | Iterable[Observable]) -> Circuit:
        """The same circuit with other observables, as the constructor takes them."""
        return _measuring(self, observables if isinstance(observables, str) else tuple(observables))

    def with_gates(
        self, gates: Iterable[Gate], observables: ObservablesName | Iterable[Observable] | None = None
    ) -> Circuit:
        """A circuit of other gates from the same start; observables are its own too if `None`."""
        return Circuit(
            self.n_qubits,
            encoding="amplitude" if self.amplitudes else None,
            observables=self.observables if observables is None else observables,
            gates=gates,
        )

    @cached_property
    def n_outputs(self) -> int:
        """Number of outputs per sample."""
        return sum(observable.width for observable in self.observables)

    @property
    def n_values(self) -> int:
        """Number of real values per sample that a runner gives."""
        return self.n_outputs * (2 if self.is_state else 1)

    @property
    def is_state(self) -> bool:
        """Whether the final state is what is measured."""
        return isinstance(self.observables[0], State)

    @cached_property
    def terms(self) -> tuple[PauliWord | Measured, ...]:
        """What is measured, with the words of a Hamiltonian each for itself."""
        return tuple(term for observable in self.observables for term in _terms(observable))

    @cached_property
    def words(self) -> tuple[PauliWord, ...]:
        """The Pauli words among `terms`."""
        return tuple(term for term in self.terms if isinstance(term, PauliWord))

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """The observable that each of `terms` is of."""
        return tuple(i for i, observable in enumerate(self.observables) for _ in _terms(observable))

    @cached_property
    def products(self) -> tuple[InputSlot, ...]:
        """Angles that are products of two inputs, each once, in the order of the gates."""
        slots = (parameter for parameter in _parameters(write_out(self.gates)))
        return tuple(dict.fromkeys(s for s in slots if isinstance(s, InputSlot) and s.times is not None))

    @property
    def n_features(self) -> int:
        """Number of columns a runner is given per sample: the inputs, then `products`."""
        return self.n_inputs + len(self.products)

    @cached_property
    def channels(self) -> tuple[Gate, ...]:
        """The noise channels among `plain_gates`."""
        return tuple(gate for gate in self.plain_gates if gate.is_channel)

    def takes(self, width: int) -> bool:
        """Whether samples of so many inputs can be run: amplitudes may be fewer, and are padded."""
        return width == self.n_inputs or (self.amplitudes and 0 < width < self.n_inputs)

    @cached_property
    def plain_gates(self) -> tuple[Gate, ...]:
        """The gates with one angle at most, and plain columns as input slots.

        Gates of several angles are written out, and each of `products` has a column of its own.
        """
        column = {slot: self.n_inputs + i for i, slot in enumerate(self.products)}

        def plain(gate: Gate) -> Gate:
            slot = gate.parameter
            if isinstance(slot, InputSlot) and slot.times is not None:
                return replace(gate, parameter=InputSlot(column[slot]))
            return gate

        return tuple(map(plain, write_out(self.gates)))

    def __str__(self) -> str:
        return draw(self.n_qubits, self.gates, self.observables, self.amplitudes)


# The same object each time, so that what hangs on it, such as its hash, is there already.
@functools.lru_cache(maxsize=256)
def _measuring(circuit: Circuit, observables: Any) -> Circuit:
    if circuit.own_gates:
        return circuit.with_gates(circuit.own_gates, observables)
    names: dict[str, Any] = {name: getattr(circuit, name) for name in ("encoding", "ansatz", "reupload")}
    return Circuit(circuit.n_qubits, circuit.n_layers, observables=observables, **names)


def _observables(given: object) -> tuple[Observable, ...]:
    items = tuple(given) if isinstance(given, Iterable) else (given,)
    for item in items:
        if not isinstance(item, Observable):
            raise TypeError(
                f"observables must be one of {', '.join(map(repr, OBSERVABLES))}, or a sequence of "
                f"{', '.join(kind.__name__ for kind in get_args(Observable))}, but held {item!r}."
            )
    if not items:
        raise ValueError("observables must hold at least one Pauli word, but was empty.")
    if len(items) > 1 and any(isinstance(item, State) for item in items):
        raise ValueError(f"observables must hold a State alone, but held {len(items)} observables.")
    return items


def _terms(observable: Observable) -> tuple[PauliWord | Measured, ...]:
    return observable.words if isinstance(observable, Hamiltonian) else (observable,)


def _parameters(gates: Sequence[Gate]) -> Iterator[Parameter]:
    return itertools.chain.from_iterable(gate.parameters for gate in gates)


def _count_slots(gates: Sequence[Gate]) -> tuple[int, int]:
    """How many inputs and weights the gates' slots reach to."""
    n_inputs = n_weights = 0
    for parameter in _parameters(gates):
        match parameter:
            case InputSlot(index, _, times):
                n_inputs = max(n_inputs, index + 1, 0 if times is None else times + 1)
            case WeightSlot(index):
                n_weights = max(n_weights, index + 1)
    return n_inputs, n_weights


def _check_alone(gates: Sequence[object], options: Mapping[str, object]) -> None:
    wrong = [gate for gate in gates if not isinstance(gate, Gate)]
    if wrong or not gates:
        was = f"held {wrong[0]!r}" if wrong else "was empty"
        raise ValueError(f"gates must hold at least one qproj.Gate, and nothing else, but {was}.")
    both = [f"{name}={value!r}" for name, value in options.items() if value]
    if both:
        raise ValueError(f"gates are the whole circuit and must come alone, but {both[0]} was given too.")


def _check_wires(n_qubits: int, gates: Sequence[Gate], observables: Sequence[Observable]) -> None:
    for observable in observables:
        if isinstance(observable, Fidelity | State) and len(observable.wires) != n_qubits:
            raise ValueError(
                f"observables must be of all {n_qubits} qubits where they are a state, but {observable} was "
                f"of {len(observable.wires)}."
            )
    for item in (*gates, *itertools.chain.from_iterable(map(_terms, observables))):
        if not all(0 <= wire < n_qubits for wire in item.wires):
            raise ValueError(f"wires must be in 0..{n_qubits - 1}, but {item} acts on {item.wires}.")
