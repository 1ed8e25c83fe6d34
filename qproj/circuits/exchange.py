"""Circuits as those of other programs, and back: methods of `Circuit`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qproj.extras import needed

if TYPE_CHECKING:
    from qproj.circuits.circuit import Circuit


class Exchange:
    """What a `Circuit` inherits: one method for each program, and direction."""

    def to_qasm(self) -> str:
        """Write the circuit as OpenQASM 3.

        Inputs are free parameters, `input float[64] x0;`, and so are weights, `w0`, flattened. Gates are
        those of `stdgates.inc`; others are written as products of them, exactly. Observables are no part of
        it: who reads the text says what is measured.

        Returns:
            The text.

        Raises:
            ValueError: If a gate cannot be written, such as a noise channel; it is named with its place. Or
                if inputs are amplitudes.
        """
        text: str = _load("qasm_writing").write(self)
        return text

    @staticmethod
    def from_qasm(
        text: str,
        input_params: Iterable[str] | None = None,
        weight_params: Iterable[str] | None = None,
        observables: Any = "z",
    ) -> Circuit:
        """Read a circuit from OpenQASM 3, by the parser of the package `openqasm3`.

        Definitions of gates are inlined, loops unrolled, and measurements at the end left out. Angles may be
        sums of constants, multiples of parameters, and of products of two inputs.

        Args:
            text: The program. Its qubits are wires in the order in which they are declared.
            input_params: Names of the free parameters that are inputs, in the order of their columns. Where
                it is `None`, all that are no weights; and where both are, `x0`, `x1`, ... are inputs and
                `w0`, `w1`, ... weights.
            weight_params: Names of those that are weights, likewise.
            observables: What is measured, as for `Circuit`.

        Returns:
            The circuit, up to a global phase. It has as many inputs and weights as its gates reach to.

        Raises:
            ValueError: If the text is no OpenQASM 3, or has what a circuit cannot express: the message has
                line and column.
            ImportError: If `openqasm3` is not installed.
        """
        needed("openqasm3.parser", "qasm", "Circuit.from_qasm")
        circuit: Circuit = _load("qasm_reading").read(text, input_params, weight_params, observables)
        return circuit

    def to_cirq(self, qubits: Iterable[Any] | None = None) -> Any:
        """Write the circuit as a `cirq.Circuit`.

        Inputs are sympy symbols `x0`, `x1`, ..., and weights `w0`, `w1`, ..., flattened. Gates that Cirq
        lacks are written as products of those it has, exactly, global phases included. Noise channels of
        constant strengths are Cirq's.

        Args:
            qubits: Of Cirq, one for each wire; `cirq.LineQubit.range(n_qubits)` if `None`.

        Returns:
            The circuit. A qubit that no gate acts on has an identity, so that it is there.

        Raises:
            ValueError: If a gate cannot be written; it is named with its place. Or if inputs are amplitudes.
            ImportError: If Cirq is not installed.
        """
        needed("cirq", "cirq", "Circuit.to_cirq")
        return _load("cirq_writing").write(self, None if qubits is None else list(qubits))

    @staticmethod
    def from_cirq(
        circuit: Any,
        input_params: Iterable[str] | None = None,
        weight_params: Iterable[str] | None = None,
        observables: Any = "z",
        qubit_order: Any = None,
    ) -> Circuit:
        """Make a circuit of a `cirq.Circuit`.

        Exponents may be sums of constants, multiples of symbols, and of products of two inputs. Gates without
        a counterpart are decomposed by Cirq; small unitaries and channels are taken as matrices. Measurements
        at the end are left out.

        Args:
            circuit: The circuit.
            input_params: Names of the symbols that are inputs, in the order of their columns; see
                `from_qasm`. Symbols that are named nowhere are in alphabetical order.
            weight_params: Names of those that are weights, likewise.
            observables: What is measured, as for `Circuit`.
            qubit_order: Which qubit is which wire, as Cirq's simulators take it; sorted if `None`.

        Returns:
            The circuit, up to a global phase.

        Raises:
            ValueError: If an operation cannot be expressed; the message has it and its moment.
            TypeError: If it is no circuit of Cirq's.
            ImportError: If Cirq is not installed.
        """
        needed("cirq", "cirq", "Circuit.from_cirq")
        made: Circuit = _load("cirq_reading").read(
            circuit, input_params, weight_params, observables, qubit_order
        )
        return made

    def to_qiskit(self) -> Any:
        """Write the circuit as Qiskit's.

        Returns:
            A named tuple of a `QuantumCircuit`, the lists `input_params` and `weight_params` of its
            parameters `x[0]`, `x[1]`, ... and `w[0]`, ..., and `observables`, a `SparsePauliOp` for each
            output. Wire 0 is Qiskit's qubit 0, the last letter of a label. States are equal, global phase
            included. `EstimatorQNN` takes all four by these names, and so does `from_qiskit`.

        Raises:
            ValueError: If a gate cannot be written, such as a noise channel; it is named with its place. Or
                if inputs are amplitudes.
            ImportError: If Qiskit is not installed.
        """
        needed("qiskit", "qiskit", "Circuit.to_qiskit")
        return _load("qiskit_writing").write(self)

    @staticmethod
    def from_qiskit(
        circuit: Any,
        input_params: Iterable[Any] | None = None,
        weight_params: Iterable[Any] | None = None,
        observables: Any = "z",
    ) -> Circuit:
        """Read a circuit of Qiskit's: of the library, or of a user's own.

        Boxes are opened, barriers and measurements at the end left out. Angles may be sums of constants,
        multiples of parameters, and of products of two inputs.

        Args:
            circuit: A `QuantumCircuit`. Qubit 0 is wire 0.
            input_params: The parameters that are inputs, or their names, in the order of their columns. Where
                it is `None`, all that are no weights; and where both are, `x[0]`, `x0`, ... are inputs and
                `w[0]`, `w0`, ... weights.
            weight_params: Those that are weights, likewise.
            observables: What is measured, as Qiskit has it (a `SparsePauliOp`, a label such as `"IZ"`, or a
                list of them) or as `Circuit` does.

        Returns:
            The circuit, up to a global phase. It has as many inputs and weights as its gates reach to.

        Raises:
            ValueError: If an instruction or an angle cannot be expressed; it is named with its place.
            ImportError: If Qiskit is not installed.
        """
        needed("qiskit", "qiskit", "Circuit.from_qiskit")
        made: Circuit = _load("qiskit_reading").read(circuit, input_params, weight_params, observables)
        return made


def _load(name: str) -> Any:
    # Each of them imports circuits itself.
    return importlib.import_module(f"qproj.circuits.{name}")
