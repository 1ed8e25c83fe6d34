"""A quantum circuit as a torch module."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor, nn

import qproj.operator  # noqa: F401 (registers torch.ops.qproj)
from qproj._compat import torch as compat
from qproj.backends import get_backend
from qproj.circuits.ansatz import AnsatzName
from qproj.circuits.circuit import Circuit
from qproj.circuits.encodings import EncodingName
from qproj.circuits.features import amplitudes
from qproj.circuits.making import one_circuit
from qproj.circuits.observables import Observable, ObservablesName
from qproj.circuits.text import dumps
from qproj.inputs import check_input, features_of, multiples, precision
from qproj.planning.cost import Plan, plan
from qproj.planning.execution import NO_EXTRA, Execution, Extra, with_noise
from qproj.planning.strategies import DiffMethod, Strategy
from qproj.readout import Readout

_TENSORS = (Tensor, nn.Parameter)


class QuantumLayer(Readout):
    """A parametrised quantum circuit: angles in, expectation values or probabilities or states out.

    The weights have the shape and meaning of those of PennyLane's template of the same name as the ansatz, so
    they can be taken from one to the other. Simulated exactly unless `shots` are asked for.

    Args:
        n_qubits: Number of qubits; 4 by default.
        n_layers: Number of ansatz layers; 3 by default.
        encoding: How inputs enter: a name of `qproj.circuits.encodings`, which says what each means;
            `"angle_y"` by default.
        ansatz: The trainable part: a name of `qproj.circuits.ansatz`; `"strongly_entangling"` by default.
            Note that encoding `"angle_x"` with `"basic_entangler"` is a degenerate circuit: but for the CNOTs
            all its gates commute.
        observables: What is measured: a name of `qproj.circuits.observables`, such as `"z"`, one output for
            each qubit, `"probs"` or `"state"`; or `PauliWord`s, `Hamiltonian`s, `Probs`, `Projector`s and
            `Fidelity`s, whose outputs come one after the other.
        reupload: Whether the inputs enter again before every layer.
        circuit: A circuit instead of all of the above, for example one of one's own gates.
        diff_method: How gradients are computed: `"best"` chooses; `"adjoint"` needs memory for a few states
            whatever the depth, `"backprop"` keeps those of all layers and is faster where they fit,
            `"jacobian"` computes all derivatives along with the values, which suits single samples,
            `"parameter-shift"` runs the circuit twice or more for every angle, as hardware must.
        strategy: How backend `"jax"` runs the circuit: `"auto"` chooses by a cost model; `"dense"` makes one
            matrix of all layers, `"fused-2"` to `"fused-6"` apply blocks of so many wires. See `plan`.
        backend: Who runs the circuit: `"jax"`, the name of a PennyLane device, or such a device.
        shots: Measurements for each group of observables that are measured together; `None` for exact
            values. Backend `"jax"` shares those of a Hamiltonian out by weight.
        seed: Of the measurements' randomness, where `shots` are asked for: equal calls of equal seed give
            equal bits, so vary it between calls that are to be independent. `None` for fresh randomness.
        noise: A `qproj.noise.NoiseModel`, for backends that have noise; `None` for none.
        backend_options: Options of that backend alone, by name.
        generator: Source of the initial weights; torch's global one if `None`.

    Attributes:
        circuit: The circuit as data; `print(layer.circuit)` draws it. May be set to another one that takes
            weights of the same shape.
        weights: The trainable angles in radians, `circuit.weight_shape`, uniform in (0, 2 pi) at first.

    Raises:
        ValueError: If a name is unknown, a count below 1, a state of so many qubits does not fit into memory,
            or the backend cannot do what is asked.
        TypeError: If a count is not an integer.
        ImportError: If the backend needs PennyLane and it is not installed.
    """

    weights: nn.Parameter

    def __init__(
        self,
        n_qubits: int | None = None,
        n_layers: int | None = None,
        *,
        encoding: EncodingName | None = None,
        ansatz: AnsatzName | None = None,
        observables: ObservablesName | Iterable[Observable] = "z",
        reupload: bool = False,
        circuit: Circuit | None = None,
        diff_method: DiffMethod = "best",
        strategy: Strategy = "auto",
        backend: Any = "jax",
        shots: int | None = None,
        seed: int | None = None,
        noise: Any = None,
        backend_options: Mapping[str, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        circuit = one_circuit(circuit, n_qubits, n_layers, encoding, ansatz, observables, reupload)
        self._circuit, self._text = circuit, dumps(circuit)  # the text is what a program of torch's can hold
        self.execution = Execution(diff_method, strategy, shots, seed, noise, Extra(backend_options))
        self.to_backend(backend)
        self.weights = nn.Parameter(torch.empty(self.circuit.weight_shape))
        self.reset_parameters(generator)

    @property
    def circuit(self) -> Circuit:
        """The circuit as data."""
        return self._circuit

    @circuit.setter
    def circuit(self, circuit: Circuit) -> None:
        if circuit.weight_shape != self.circuit.weight_shape:
            raise ValueError(
                f"circuit must take weights of shape {self.circuit.weight_shape}, which this layer has, but "
                f"takes {circuit.weight_shape}. Make a new layer with QuantumLayer(circuit=...)."
            )
        get_backend(self.backend).check(circuit, self.execution)
        self._circuit, self._text = circuit, dumps(circuit)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.circuit.n_qubits

    @property
    def n_layers(self) -> int:
        """Number of ansatz layers."""
        return self.circuit.n_layers

    @property
    def n_inputs(self) -> int:
        """Number of inputs per sample; the largest number with encoding `"amplitude"`."""
        return self.circuit.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs per sample; see `Circuit`."""
        return self.circuit.n_outputs

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, uniform in (0, 2 pi).

        Args:
            generator: Source of randomness; torch's global one if `None`.
        """
        nn.init.uniform_(self.weights, 0.0, 2 * math.pi, generator=generator)

    def to_backend(
        self,
        backend: Any,
        shots: int | Literal["same"] | None = "same",
        *,
        seed: int | Literal["same"] | None = "same",
        noise: Any = "same",
        backend_options: Mapping[str, Any] | Literal["same"] | None = "same",
    ) -> Self:
        """Let another backend run the same circuit with the same weights.

        Args:
            backend: `"jax"`, the name of a PennyLane device such as `"lightning.qubit"`, or such a device.
            shots: Measurements for each expectation value from now on, `None` for exact values.
            seed: As for the constructor, from now on.
            noise: As for the constructor, from now on.
            backend_options: As for the constructor, from now on.

        Returns:
            The layer itself.

        Raises:
            ValueError: If there is no such backend, or it cannot run this layer.
            ImportError: If it needs PennyLane and PennyLane is not installed.
        """
        given = {"shots": shots, "seed": seed, "noise": noise, "extra": backend_options}
        if backend_options is None:
            given["extra"] = NO_EXTRA
        changes: dict[str, Any] = {k: v for k, v in given.items() if not (isinstance(v, str) and v == "same")}
        execution = replace(self.execution, **changes)
        get_backend(backend).check(self.circuit, execution)
        self.backend, self.execution, self._how = backend, execution, execution.text
        return self

    def plan(self, batch: int = 32, dtype: torch.dtype = torch.float32) -> Plan:
        """Say how backend `"jax"` runs a batch of this size, and why.

        Args:
            batch: Samples.
            dtype: Of the inputs.

        Returns:
            What prints as the strategy, its passes, bytes and operations, and those of the other strategies.
        """
        itemsize = 8 if dtype == torch.float64 else 4
        return plan(
            with_noise(self.circuit, self.execution),
            batch,
            itemsize,
            self.execution.strategy,
            self.execution.diff_method,
        )

    if TYPE_CHECKING:  # torch's own is of any arguments and any result

        def __call__(self, x: Tensor) -> Tensor:
            """See `forward`."""

    def forward(self, x: Tensor) -> Tensor:
        """Run the circuit.

        Args:
            x: Angles in radians, `(..., n_inputs)`; with encoding `"amplitude"` up to `n_inputs` amplitudes.
                float32, float64, float16 or bfloat16; the latter two are computed in float32, and all in
                float64 where the weights are.

        Returns:
            What is measured, `(..., n_outputs)`, with dtype and device of `x`. A state is complex64, or
            complex128 for float64, and gradients of complex numbers are torch's, so that
            `state.abs().square()` and the like can be differentiated.

        Raises:
            TypeError: If `x` or the weights are not tensors of one of these dtypes.
            ValueError: If its last dimension is not `n_inputs`, the weights are on another device or not of
                `circuit.weight_shape`, or amplitudes are all zero.
        """
        return self._evaluate(x, self.weights)

    def _evaluate(
        self, x: Tensor, weights: Tensor, circuit: Circuit | None = None, execution: Execution | None = None
    ) -> Tensor:
        given = circuit or self._circuit, execution or self.execution
        if not compat.is_traced():
            return self._run(x, weights, *given, traced=False)
        with warnings.catch_warnings():
            # Shapes are looked at, which a trace may lose; the operator looks at them again.
            warnings.simplefilter("ignore", compat.TracerWarning)
            return self._run(x, weights, *given, traced=True)

    def _run(
        self, x: Tensor, weights: Tensor, circuit: Circuit, execution: Execution, *, traced: bool
    ) -> Tensor:
        check_input(x, circuit, weights)
        dtype = precision(x, weights)
        # Each call into torch costs a microsecond or two, which small circuits notice: none is made in vain.
        flat = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        flat = flat if flat.dtype == dtype else flat.to(dtype)
        weights = weights if weights.dtype == dtype else weights.to(dtype)
        # Inside a program of torch's, and for tensors that are not what they seem, the layer is one operator.
        opaque = (
            torch.compiler.is_compiling()
            or traced
            or compat.dispatch_mode_active()
            or type(x) not in _TENSORS
            or x.is_meta
        )
        empty = not opaque and flat.shape[0] == 0
        if empty:
            # A row to run keeps the result in the graph, and every backend free of this case.
            flat = torch.cat([flat, flat.new_ones(1, x.shape[-1])])
        inputs = features_of(circuit, flat)
        how = self._how if execution is self.execution else execution.text
        if opaque and isinstance(self.backend, str) and how is not None:
            from qproj.in_graph import call  # not before, since torch loads its compiler for it

            text = self._text if circuit is self._circuit else dumps(circuit)
            values: Tensor = call(inputs, weights, text, self.backend, how)
        else:
            # A device cannot be written into a program: there the program is left for this call.
            if opaque:
                _check_not_traced(self.backend)
            run = torch.compiler.disable(_run) if opaque else _run  # type: ignore[no-untyped-call]
            values = run(self.backend, circuit, execution, inputs, weights)
        if circuit.is_state:
            values = amplitudes(circuit, values, inputs, weights, torch, multiples=multiples)
            if x.dtype != torch.float64 and dtype == torch.float64:
                values = values.to(torch.complex64)
        elif values.dtype != x.dtype:
            values = values.to(x.dtype)
        if empty:
            values = values[:0]
        return values if x.ndim == 2 else values.reshape(*x.shape[:-1], circuit.n_outputs)

    def _inputs(self, x: Tensor) -> Tensor:
        check_input(x, self._circuit, self.weights)
        return features_of(self._circuit, x.reshape(-1, x.shape[-1]).to(precision(x, self.weights)))

    def extra_repr(self) -> str:
        """What `repr` shows of the layer."""
        c, e = self.circuit, self.execution
        shown: dict[str, object] = {"n_qubits": c.n_qubits}
        if c.ansatz:
            shown |= {"n_layers": c.n_layers, "encoding": c.encoding, "ansatz": c.ansatz}
        shown |= {"n_inputs": c.n_inputs, "n_outputs": c.n_outputs, "diff_method": e.diff_method}
        optional: dict[str, tuple[object, object]] = {
            "reupload": (c.reupload, False),
            "strategy": (e.strategy, "auto"),
            "shots": (e.shots, None),
            "seed": (e.seed, None),
            "noise": (e.noise, None),
            "backend_options": (e.extra, NO_EXTRA),
        }
        shown |= {name: value for name, (value, default) in optional.items() if value != default}
        return ", ".join(f"{name}={value!r}" for name, value in {**shown, "backend": self.backend}.items())


def _run(backend: Any, circuit: Circuit, execution: Execution, inputs: Tensor, weights: Tensor) -> Tensor:
    return get_backend(backend).run(circuit, execution, inputs, weights)


def _check_not_traced(backend: object) -> None:
    """Raise RuntimeError where the call would be lost: of a trace there is no way back to Python."""
    if not torch.compiler.is_compiling() and (compat.is_traced() or compat.makes_program()):
        raise RuntimeError(
            f"backend must be a name where the layer is traced, but was {backend!r}: a device cannot be "
            "written into a program. Give its name, such as backend='default.qubit'."
        )
