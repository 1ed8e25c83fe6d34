"""What quantum kernels have in common: arrays of NumPy or torch, and the interface of scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from qproj.circuits.circuit import Circuit
from qproj.circuits.making import check_circuit


class Kernel:
    """A function `kernel(X, Y=None)` of two sets of samples, with the parameters that scikit-learn asks for.

    A subclass stores the arguments of its constructor as they are, under their names, and has `matrix`.
    """

    circuit: Circuit
    weights: Any

    def __call__(self, X: Any, Y: Any = None) -> Any:  # noqa: N803 (as scikit-learn has it)
        """The kernel matrix.

        Args:
            X: Inputs `(n, n_inputs)`, a tensor, or anything that NumPy makes an array of.
            Y: Inputs `(m, n_inputs)`; those of `X` if `None`.

        Returns:
            `(n, m)`, a tensor for a tensor, differentiable in the weights and in both inputs, and else an
            array of NumPy; float32 for float32, and else float64.

        Raises:
            TypeError: If only one of both is a tensor, or the numbers are not real.
            ValueError: If shapes do not fit the circuit.
        """
        check_circuit(self.circuit)
        if Y is not None and isinstance(X, Tensor) != isinstance(Y, Tensor):
            raise TypeError(
                f"X and Y must both be tensors or both arrays, but were {type(X).__name__} and "
                f"{type(Y).__name__}. Convert one with torch.as_tensor."
            )
        first, second = X, X if Y is None else Y
        if not isinstance(X, Tensor):
            first = _tensor(X)
            second = first if Y is None or Y is X else _tensor(Y)
        for name, given in (("X", first), ("Y", second)):
            if given.ndim != 2:
                raise ValueError(
                    f"{name} must have shape (samples, n_inputs), but had shape {tuple(given.shape)}."
                )
        if isinstance(X, Tensor):
            return self.matrix(first, second, self._weights(first))
        with torch.no_grad():
            return self.matrix(first, second, self._weights(first)).numpy()

    def matrix(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """`(n, m)` of two tensors; `x is y` for the kernel of a set with itself."""
        raise NotImplementedError

    def _weights(self, like: Tensor) -> Tensor:
        """The weights as a tensor: zeros where none were given."""
        if self.weights is None:
            return like.new_zeros(self.circuit.weight_shape)
        weights = torch.as_tensor(self.weights, device=like.device)
        # Complex ones are left for the layer to refuse.
        return weights if weights.is_floating_point() or weights.is_complex() else weights.to(like.dtype)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn gives it)
        """The arguments of the constructor, by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor anew.

        Raises:
            ValueError: If there is no such argument.
        """
        for name, value in params.items():
            if name not in self._names():
                known = ", ".join(map(repr, self._names()))
                raise ValueError(f"params must be of {known}, but held {name!r}.")
            setattr(self, name, value)
        return self

    @classmethod
    def _names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def __repr__(self) -> str:
        c = self.circuit
        shown = {"circuit": f"<{len(c.gates)} gates on {c.n_qubits} qubits>", "weights": "..."}
        given = {k: shown.get(k, repr(v)) for k, v in self.get_params().items() if v is not None}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in given.items())})"


def _tensor(array: Any) -> Tensor:
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"inputs of a kernel must be real numbers, but were of dtype {array.dtype}.")
    return torch.from_numpy(np.array(array, np.float32 if array.dtype == np.float32 else np.float64))
