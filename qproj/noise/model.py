"""`NoiseModel`: which channels act where, as one immutable value."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import CHANNELS, GATES, Gate, write_out
from qproj.circuits.parameters import Constant, real, wires_of
from qproj.circuits.text import writable
from qproj.noise.mixed import check_mixed
from qproj.noise.readout import Readout, confusions, observed, readouts


@writable
@dataclass(frozen=True, init=False)
class Channel:
    """A noise channel, without wires: `Channel("DepolarizingChannel", 0.01)`.

    Args:
        name: PennyLane's name, in `qproj.circuits.gates.CHANNELS`.
        strengths: One number or several, with PennyLane's meaning: probabilities, rates, times.
        kraus: Of a `"QubitChannel"` its Kraus operators, `(n, 2, 2)` or `(n, 4, 4)`.

    Raises:
        ValueError: If there is no such channel, or none of such strengths.
    """

    name: str
    strengths: tuple[float, ...]
    kraus: Any

    def __init__(self, name: str, strengths: float | Sequence[float] = (), kraus: Any = None) -> None:
        name = CHANNELS.also.get(name, name)
        given = strengths if isinstance(strengths, Sequence) else (strengths,)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "strengths", tuple(real(f"strength of {name}", s) for s in given))
        object.__setattr__(self, "kraus", kraus)
        object.__setattr__(self, "kraus", self.on(range(self.n_wires)).matrix)

    @property
    def n_wires(self) -> int:
        """Wires it acts on."""
        return 1 if self.kraus is None else max(1, round(math.log2(np.shape(self.kraus)[-1])))

    def on(self, wires: Iterable[int]) -> Gate:
        """The channel as an entry of a circuit."""
        kind = CHANNELS[self.name]  # its error lists channels, and not gates
        angles = tuple(map(Constant, self.strengths))
        one = kind.n_angles < 2 and len(angles) == 1
        return Gate(self.name, tuple(wires), angles[0] if one else angles or None, self.kraus)


@writable
@dataclass(frozen=True)
class Rule:
    """Where a channel acts.

    Attributes:
        channel: The channel. One on a single wire acts on each wire of a gate, one on two wires behind gates
            of two wires, on both.
        gates: Names of the gates behind which it acts; `None` for all.
        wires: Wires on which it acts; `None` for all. Of a channel on two wires, a pair is in this order.

    Raises:
        ValueError: If there is no gate of such a name, or circuits have others in its place.
    """

    channel: Channel
    gates: tuple[str, ...] | None = None
    wires: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.channel, Channel):
            raise TypeError(f"channel of a Rule must be a qproj.noise.Channel, but was {self.channel!r}.")
        given: Any = self.gates
        if given is not None:
            names = (given,) if isinstance(given, str) else tuple(given)
            for name in names:
                kind = GATES[name]
                if kind.several or kind.written_out:
                    raise ValueError(
                        f"gates of a Rule must be run as they are, but {name!r} is written out as others, "
                        "such as RZ, RY and RZ for 'Rot': name them."
                    )
            object.__setattr__(self, "gates", names)
        if self.wires is not None:
            object.__setattr__(self, "wires", wires_of("wires of a Rule", self.wires))

    def behind(self, gate: Gate) -> list[Gate]:
        """The channels behind a gate."""
        return self.at(gate.wires) if self.gates is None or gate.name in self.gates else []

    def at(self, wires: Sequence[int]) -> list[Gate]:
        """The channels on these wires, as far as the rule is for them."""
        here = [wire for wire in wires if self.wires is None or wire in self.wires]
        if self.channel.n_wires == 1:
            return [self.channel.on((wire,)) for wire in here]
        if not len(here) == len(wires) == 2:
            return []
        # A rule for one pair says which of its wires is the first.
        pair = self.wires if self.wires is not None and len(self.wires) == 2 else wires
        return [self.channel.on(pair)]


@writable
@dataclass(frozen=True, init=False)
class NoiseModel:
    """Noise of a device: what acts behind its gates, before its measurements, and how it reads bits.

    Gates of several angles are written out first, as `circuit.plain_gates` has them.

    Args:
        after_gates: As below; one `Channel` or `Rule` will do, and a bare `Channel` acts behind every gate.
        before_measurement: As below; likewise.
        readout: As below; a probability, a confusion matrix, or a mapping from wires to them will do.

    Attributes:
        after_gates: `Rule`s for channels behind gates, in the order in which they act.
        before_measurement: `Rule`s for channels at the end, on wires.
        readout: `Readout`s, one a wire or one for all.

    Raises:
        ValueError: If a number is no probability, or names are unknown.
        TypeError: If a rule is neither a `Channel` nor a `Rule`.
    """

    after_gates: tuple[Rule, ...]
    before_measurement: tuple[Rule, ...]
    readout: tuple[Readout, ...]

    def __init__(
        self,
        after_gates: Channel | Rule | Iterable[Channel | Rule] = (),
        before_measurement: Channel | Rule | Iterable[Channel | Rule] = (),
        readout: Any = (),
    ) -> None:
        object.__setattr__(self, "after_gates", _rules("after_gates", after_gates))
        object.__setattr__(self, "before_measurement", _rules("before_measurement", before_measurement))
        for rule in self.before_measurement:
            if rule.gates is not None or rule.channel.n_wires > 1:
                raise ValueError(
                    "before_measurement must hold channels on one wire, and Rules without gates, but held "
                    f"{rule}."
                )
        object.__setattr__(self, "readout", readouts(readout))

    def on(self, circuit: Circuit, *, shots: bool = False) -> Circuit:
        """A circuit with this noise in it.

        Args:
            circuit: The circuit.
            shots: Whether bits are measured, so that whoever reads them has to confuse them; without, the
                observables become those of mean readings.

        Returns:
            A circuit of the same inputs and weights, the latter in one dimension; the same object for equal
            arguments. The circuit itself, if nothing of the noise concerns it.
        """
        return _noisy(self, circuit, shots)

    def confusions(self, n_qubits: int) -> list[Readout]:
        """The readout error of each wire."""
        return confusions(self.readout, n_qubits)


@functools.lru_cache(maxsize=256)
def _noisy(model: NoiseModel, circuit: Circuit, shots: bool) -> Circuit:
    written = write_out(circuit.gates)
    gates: list[Gate] = []
    for gate in written:
        gates.append(gate)
        if not gate.is_channel:
            gates += [channel for rule in model.after_gates for channel in rule.behind(gate)]
    wires = range(circuit.n_qubits)
    gates += [channel for rule in model.before_measurement for channel in rule.at(wires)]
    check_mixed(circuit.observables)
    observables, errors = circuit.observables, confusions(model.readout, circuit.n_qubits)
    if not shots and any(error.of_zero or error.of_one for error in errors):
        observables = observed(observables, errors)
    if observables == circuit.observables and len(gates) == len(written):
        return circuit
    return circuit.with_gates(gates, observables)


def _rules(name: str, given: Any) -> tuple[Rule, ...]:
    items = (given,) if isinstance(given, Channel | Rule) else tuple(given)
    rules = tuple(Rule(item) if isinstance(item, Channel) else item for item in items)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise TypeError(f"{name} must hold Channels and Rules, but held {rule!r}.")
    return rules
