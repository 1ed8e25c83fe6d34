"""Circuits on arrays of any of PennyLane's interfaces, with derivatives of any order in each.

A derivative is another function of arrays, compiled by JAX (`qproj.execution.transforms`). Torch and autograd
are told of it as often as they ask; JAX's tracers pass through.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from autograd import numpy as anp
from autograd.extend import defvjp, defvjp_argnums, primitive
from autograd.tracer import getval, isbox

from qproj.circuits.circuit import Circuit
from qproj.execution.forks import check_not_forked
from qproj.execution.padding import padded
from qproj.execution.states import Evolution
from qproj.execution.transforms import Expectation, Function, Vjp, compiled
from qproj.interop import execution


def values(circuit: Circuit, inputs: Any, weights: Any, interface: str) -> Any:
    """Expectation values.

    Args:
        circuit: The circuit.
        inputs: `(batch, n_features)`, or states to start from as `qproj.execution.states.FromStates` has
            them.
        weights: `circuit.weight_shape`, same dtype.
        interface: What the arrays are of: `"numpy"`, `"autograd"`, `"torch"` or `"jax"`.

    Returns:
        `(batch, n_outputs)`, of the same library and dtype.
    """
    plain = Expectation(circuit, "auto", "best")
    function = Evolution(circuit, measures=True) if circuit.amplitudes else plain
    match interface:
        case "torch" if not circuit.amplitudes:
            return importlib.import_module("qproj.bridge").run(circuit, "best", "auto", inputs, weights)
        case "torch" | "jax":
            return _run(function, inputs, weights, interface)
        case "autograd":
            return _of_boxes(function, {}, inputs, weights)
    return execution.expectations(circuit, inputs, weights)


def states(circuit: Circuit, inputs: Any, weights: Any, interface: str) -> Any:
    """Final states `(batch, 2**n_qubits)`, complex; see `values`."""
    function = Evolution(circuit)
    match interface:
        case "torch" | "jax":
            pair = _run(function, inputs, weights, interface)
        case "autograd":
            pair = _of_boxes(function, None, inputs, weights)
        case _:
            return execution.states(circuit, inputs, weights)
    half = 2**circuit.n_qubits
    return pair[:, :half] + 1j * pair[:, half:]


def one_parameter(value: Any) -> Any:
    """A parameter for PennyLane's simulator, whose gradient is real where it is.

    The simulator gives autograd complex gradients even of real numbers, so it is given complex ones.
    """
    return _real(value) if isbox(value) and not np.iscomplexobj(getval(value)) else value


@primitive  # type: ignore[untyped-decorator]
def _real(value: Any) -> Any:
    return np.asarray(value, complex)


defvjp(_real, lambda _, __: anp.real)


def is_traced(value: Any) -> bool:
    """Whether JAX is looking on what is done with a value."""
    return isinstance(value, jax.core.Tracer)


def refusing_gradients(value: Any, error: Callable[[], Exception]) -> Any:
    """A value that JAX traces, whose derivative is an error."""

    @jax.custom_jvp
    def same(value: Any) -> Any:
        return value

    @same.defjvp
    def _(_: Any, __: Any) -> Any:
        raise error()

    return same(value)


def to_jax(results: Any) -> Any:
    """Results in NumPy, for JAX, in the precision JAX is set to."""
    return jax.tree.map(jax.numpy.asarray, results)


def real(c_dtype: type[np.complexfloating[Any, Any]], interface: str) -> type[np.floating[Any]]:
    """The dtype of parameters: within JAX the precision it is set to is the limit."""
    single = c_dtype == np.complex64 or (interface == "jax" and jax.numpy.zeros(0).dtype == np.float32)
    return np.float32 if single else np.float64


def _run(function: Any, inputs: Any, weights: Any, interface: str) -> Any:
    check_not_forked()
    if interface == "jax":
        return compiled(function)(inputs, weights)[0]
    return importlib.import_module("qproj.bridge.transforms").expectation(function, inputs, weights)


def _of_boxes(function: Any, kept: dict[str, Any] | None, inputs: Any, weights: Any) -> Any:
    """For autograd, with zero rows up to the bucket's size, so that few sizes are compiled."""
    return _call(function, kept, padded(inputs, anp), weights)[: len(inputs)]


@primitive  # type: ignore[untyped-decorator]
def _call(function: Function, kept: dict[str, Any] | None, *arrays: Any) -> Any:
    """The function's result; several ones in a row, as a vector.

    Where `kept` is a dictionary, the function gives expectation values, and what their first derivative needs
    is put there.
    """
    if kept is not None:
        found, kept["residuals"] = execution.forward(function.circuit, *arrays)
        return found
    with execution.precision(arrays[0]):
        results = [np.asarray(result) for result in compiled(function)(*arrays)]
    return results[0] if len(results) == 1 else np.concatenate([result.ravel() for result in results])


def _pull_back(argnums: tuple[int, ...], _: Any, args: Any, __: Any) -> Callable[[Any], tuple[Any, ...]]:
    function, kept, *arrays = args
    places = tuple(number - 2 for number in argnums)

    def gradients(cotangents: Any) -> tuple[Any, ...]:
        if kept is not None and not any(map(isbox, (*arrays, cotangents))):
            first = (*arrays, np.asarray(cotangents))
            found = execution.backward(function.circuit, kept["residuals"], *first)
            return tuple(found[place] for place in places)
        given = [cotangents]
        if isinstance(function, Vjp) and len(function.wanted) > 1:
            given = _parts(cotangents, [arrays[place].shape for place in function.wanted])
        whole = _call(Vjp(function, len(arrays), places), None, *arrays, *given)
        return tuple(_parts(whole, [arrays[place].shape for place in places]))

    return gradients


defvjp_argnums(_call, _pull_back)


def _parts(vector: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    """What was put in a row, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    begins = [0, *ends[:-1]]
    flat = anp.reshape(vector, (-1,))
    return [anp.reshape(flat[b:e], shape) for b, e, shape in zip(begins, ends, shapes, strict=True)]
