"""What a layer is given: a tensor, checked, and made into what a backend takes per sample."""

import math
from dataclasses import astuple

import torch
from torch import Tensor

from qproj._compat import torch as compat
from qproj.circuits.circuit import Circuit
from qproj.circuits.features import features
from qproj.circuits.parameters import InputSlot

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def check_tensor(x: object) -> None:
    """Raise TypeError, with the way out, where a layer is given anything but a tensor."""
    if not isinstance(x, Tensor):
        way = " Convert with torch.from_numpy(x)." if type(x).__name__ == "ndarray" else ""
        raise TypeError(f"x must be a torch.Tensor, but was {type(x).__name__}.{way}")


def check_input(x: Tensor, circuit: Circuit, weights: Tensor) -> None:
    """Raise TypeError or ValueError where inputs or weights do not fit the circuit, with the way out."""
    check_tensor(x)
    if x.dtype not in _DTYPES:
        raise TypeError(
            f"x must be a tensor of float32, float64, float16 or bfloat16, but its dtype was {x.dtype}. "
            "Angles are real numbers in radians; convert with x.float()."
        )
    if x.is_nested or x.layout is not torch.strided:
        raise TypeError(
            f"x must be a dense tensor, but was {'nested' if x.is_nested else x.layout}. Convert with "
            f"{'torch.nested.to_padded_tensor(x, 0.0)' if x.is_nested else 'x.to_dense()'}."
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
    if weights.shape != circuit.weight_shape:
        raise ValueError(
            f"weights must have shape {circuit.weight_shape}, but had shape {tuple(weights.shape)}. Make "
            "another layer, or give weights of that shape."
        )
    if weights.dtype not in _DTYPES:
        raise TypeError(
            f"weights must be of float32, float64, float16 or bfloat16, but their dtype was {weights.dtype}."
        )


def features_of(circuit: Circuit, x: Tensor) -> Tensor:
    """What a backend is given per sample: see `qproj.backends.Backend.run`."""
    if not circuit.amplitudes and not circuit.products:
        return x
    found: Tensor = features(circuit, x, torch, constant=Tensor.detach, products=_products)
    # Where a value cannot be asked for, a sample of zeros gives NaN.
    known = not (
        torch.compiler.is_compiling() or compat.transforms_active(x) or compat.dispatch_mode_active()
    )
    if circuit.amplitudes and known and not found.is_meta and found.isnan().any():
        zero = (x == 0).all(dim=-1)
        if zero.any():
            raise ValueError(
                "x must hold amplitudes that are not all zero, since they are normalised, but sample "
                f"{int(zero.nonzero()[0, 0])} was all zero."
            )
    return found


def _products(x: Tensor, slots: tuple[InputSlot, ...]) -> Tensor:
    first, scales, second = zip(*map(astuple, slots), strict=True)
    exact = x.double()
    return _reduced(exact[:, list(first)] * exact[:, list(second)], scales, x.dtype)


def multiples(values: Tensor, factors: tuple[float, ...]) -> Tensor:
    """Angles times their factors, reduced before they are rounded."""
    return _reduced(values.double(), factors, values.dtype)


def _reduced(angles: Tensor, factors: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Angles of double precision times their factors, so small that single precision does not round them."""
    if any(factor != 1 for factor in factors):
        angles = angles * angles.new_tensor(factors)
    # 4 pi is a period of every gate.
    return angles if dtype == torch.float64 else angles.fmod(4 * math.pi).to(dtype)


def precision(x: Tensor, weights: Tensor) -> torch.dtype:
    """That of the more exact of both, since a large angle must not be rounded."""
    return torch.float64 if torch.float64 in (x.dtype, weights.dtype) else torch.float32
