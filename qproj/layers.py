"""A quantum circuit as a torch module."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from qproj.backends import get_backend
from qproj.circuits.circuit import Circuit
from qproj.circuits.observables import Observable
from qproj.circuits.text import dumps
from qproj.operator import expectation
from qproj.planning.cost import Plan, plan
from qproj.planning.execution import NO_EXTRA, Execution, Extra


class QuantumLayer(nn.Module):
    """A parametrised quantum circuit: angles in, expectation values out.

    The weights have the shape and meaning of those of PennyLane's template of the same name as the ansatz, so
    they can be taken from one to the other. Simulated exactly unless `shots` are asked for.

    Args:
        n_qubits: Number of qubits; 4 by default.
        n_layers: Number of ansatz layers; 3 by default.
        encoding: How inputs enter: `"angle_x"`, `"angle_y"` (the default), `"angle_z"`, `"iqp"`, or
            `"amplitude"` (up to `2**n_qubits` features, padded with zeros and normalised).
        ansatz: The trainable part: `"strongly_entangling"` (the default), `"basic_entangler"`,
            `"basic_entangler_y"`, `"basic_entangler_z"` or `"simplified_two_design"`. Note that `"angle_x"`
            with `"basic_entangler"` is a degenerate circuit: but for the CNOTs all its gates commute.
        observables: What is measured: `"z"` (`n_qubits` outputs), `"xyz"` (three times as many), `"zz"` (Z on
            each wire and Z Z on each pair), or `PauliWord`s and `Hamiltonian`s, one for each output.
        reupload: Whether the inputs enter again before every layer.
        circuit: A circuit instead of all of the above, for example one of one's own gates.
        diff_method: How gradients are computed: `"best"` chooses; `"adjoint"` needs memory for a few states
            whatever the depth, `"backprop"` keeps those of all layers and is faster where they fit,
            `"jacobian"` computes all derivatives along with the values, which suits single samples,
            `"parameter-shift"` runs the circuit twice or more for every angle, as hardware must.
        strategy: How backend `"jax"` runs the circuit: `"auto"` chooses by a cost model; `"dense"` makes one
            matrix of all layers, `"fused-2"` to `"fused-6"` walk in blocks of so many wires. See `plan`.
        backend: Who runs the circuit: `"jax"`, the name of a PennyLane device, or such a device.
        shots: Measurements for each expectation value, on PennyLane devices; `None` for exact values.
        seed: Of the measurements' randomness, where `shots` are asked for: equal calls of equal seed give
            equal bits, so vary it between calls that are to be independent. `None` for fresh randomness.
        noise: What noise there is, for backends that have it; `None` for none.
        backend_options: Options of that backend alone, by name.
        generator: Source of the initial weights; torch's global one if `None`.

    Attributes:
        circuit: The circuit as data; `print(layer.circuit)` draws it.
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
        encoding: str | None = None,
        ansatz: str | None = None,
        observables: str | Iterable[Observable] = "z",
        reupload: bool = False,
        circuit: Circuit | None = None,
        diff_method: str = "best",
        strategy: str = "auto",
        backend: Any = "jax",
        shots: int | None = None,
        seed: int | None = None,
        noise: Any = None,
        backend_options: Mapping[str, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if circuit is None:
            circuit = Circuit(n_qubits, n_layers, encoding, ansatz, observables, reupload)
        elif (n_qubits, n_layers, encoding, ansatz, observables, reupload) != (
            None,
            None,
            None,
            None,
            "z",
            False,
        ):
            raise ValueError("circuit must come alone: n_qubits, encoding and the like are its own.")
        self.circuit = circuit
        self.execution = Execution(diff_method, strategy, shots, seed, noise, Extra(backend_options))
        self._text = dumps(circuit)  # what a compiled program can hold of it, as `_how` of the execution
        self.to_backend(backend)
        self.weights = nn.Parameter(torch.empty(self.circuit.weight_shape))
        self.reset_parameters(generator)

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
        """Number of expectation values per sample."""
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
        return plan(self.circuit, batch, itemsize, self.execution.strategy, self.execution.diff_method)

    def forward(self, x: Tensor) -> Tensor:
        """Run the circuit.

        Args:
            x: Angles in radians, `(..., n_inputs)`; with encoding `"amplitude"` up to `n_inputs` amplitudes.
                float32, float64, float16 or bfloat16; the latter two are computed in float32.

        Returns:
            Expectation values, `(..., n_outputs)`, with dtype and device of `x`.

        Raises:
            TypeError: If `x` is not a tensor of one of these dtypes.
            ValueError: If its last dimension is not `n_inputs`, the weights are on another device, or
                amplitudes are all zero.
        """
        return self._evaluate(x, self.weights)

    def _evaluate(self, x: Tensor, weights: Tensor) -> Tensor:
        _check_input(x, self.circuit, weights)
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        # Each call into torch costs a microsecond or two, which small circuits notice: none is made in vain.
        flat = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        flat = flat if flat.dtype == dtype else flat.to(dtype)
        weights = weights if weights.dtype == dtype else weights.to(dtype)
        # Inside a program of torch's, and for tensors that are not what they seem, the layer is one operator.
        opaque = torch.compiler.is_compiling() or type(x) not in _TENSORS or x.is_meta
        empty = not opaque and flat.shape[0] == 0
        if empty:
            # A row to run keeps the result in the graph, and every backend free of this case.
            flat = torch.cat([flat, flat.new_ones(1, x.shape[-1])])
        inputs = _features(self.circuit, flat)
        if opaque and isinstance(self.backend, str) and self._how is not None:
            values: Tensor = expectation(inputs, weights, self._text, self.backend, self._how)
        else:
            # A device cannot be written into a program: there the program is left for this call.
            run = torch.compiler.disable(_run) if opaque else _run  # type: ignore[no-untyped-call]
            values = run(self.backend, self.circuit, self.execution, inputs, weights)
        if empty:
            values = values[:0]
        values = values if values.dtype == x.dtype else values.to(x.dtype)
        return values if x.ndim == 2 else values.reshape(*x.shape[:-1], self.n_outputs)

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


def _features(circuit: Circuit, x: Tensor) -> Tensor:
    """What a backend is given per sample: see `qproj.backends.Backend.run`."""
    if circuit.amplitudes:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        # Where a value cannot be asked for, a sample of zeros gives NaN.
        known = not torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active()
        if known and not norm.all():
            row = int((norm[:, 0] == 0).nonzero()[0, 0])
            raise ValueError(
                "x must hold amplitudes that are not all zero, since they are normalised, but sample "
                f"{row} was all zero."
            )
        return nn.functional.pad(x / norm, (0, circuit.n_inputs - x.shape[-1]))
    if circuit.products:
        first, second = zip(*circuit.products, strict=True)
        return torch.cat([x, x[:, list(first)] * x[:, list(second)]], dim=-1)
    return x


_TENSORS = (Tensor, nn.Parameter)
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def _check_input(x: object, circuit: Circuit, weights: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor, but was {type(x).__name__}.")
    if x.dtype not in _DTYPES:
        raise TypeError(
            f"x must be a tensor of float32, float64, float16 or bfloat16, but its dtype was {x.dtype}. "
            "Angles are real numbers in radians; convert with x.float()."
        )
    width = x.shape[-1] if x.ndim else 0
    if not circuit.takes(width):
        wanted = "at most " * circuit.amplitudes + str(circuit.n_inputs)
        kind = (
            "amplitude for each basis state" if circuit.amplitudes else "angle for each input of the circuit"
        )
        raise ValueError(f"x must have shape (..., {wanted}), one {kind}, but had shape {tuple(x.shape)}.")
    if x.device != weights.device:
        raise ValueError(
            f"x must be on the device of the layer's weights ({weights.device}), but was on {x.device}. "
            f"Move the layer with layer.to({str(x.device)!r})."
        )
