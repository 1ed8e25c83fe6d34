"""Watches what a function of torch does with some tensors, whatever way its branches go.

Runs on drawn numbers cannot show a branch that none of them takes. So every operation on the tensors, and on
what was computed from them, is looked at while the function runs: sums, products and rearrangements are the
same function everywhere; what compares, cuts off or reads numbers may be another one elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from qproj._compat.torch import operations_by, tree_leaves

# Names of ATen operations, without the underscore of those in place: sums and products, then what moves
# numbers.
_POLYNOMIAL = frozenset(
    {
        "add", "addbmm", "addcmul", "addmm", "addmv", "addr", "baddbmm", "bmm", "cumprod", "cumsum", "dot",
        "lerp", "linear", "mean", "mm", "mul", "mv", "neg", "positive", "prod", "rsub", "square", "sub",
        "sum", "trace", "vdot",
        "_index_put_impl", "_reshape_alias", "_unsafe_view", "alias", "as_strided", "block_diag", "cat",
        "clone", "constant_pad_nd", "copy", "detach", "diag_embed", "diagonal", "diagonal_scatter",
        "expand", "fill", "flip", "gather", "index", "index_add", "index_copy", "index_put", "index_select",
        "lift", "lift_fresh", "masked_fill", "permute", "repeat", "reshape", "roll", "scatter",
        "scatter_add", "select", "select_scatter", "slice", "slice_scatter", "split", "split_with_sizes",
        "squeeze", "stack", "t", "take", "transpose", "tril", "triu", "unbind", "unfold", "unsqueeze",
        "view", "where", "zero",
    }
)  # fmt: skip
# These look at shapes alone.
_SHAPES = frozenset({f"{value}_like" for value in ("empty", "full", "ones", "zeros", "rand", "randn")}) | {
    f"new_{value}" for value in ("empty", "full", "ones", "zeros")
}
# Functions by which numbers leave torch, and no operation says so.
_LEAVE = frozenset(
    {
        "__array__", "__deepcopy__", "__dlpack__", "__reduce_ex__", "apply_", "data_ptr", "map_", "numpy",
        "storage", "tolist", "untyped_storage",
    }
)  # fmt: skip


class Watch:
    """What was done with some tensors.

    Args:
        tensors: The tensors.

    Attributes:
        seen: Names of the functions of torch that may branch, cut off or let numbers out, each once.
        precision: Of the coarsest floating-point numbers that were computed: 2**-23 for single precision.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.seen: dict[str, None] = {}
        self.precision = 0.0
        # By storage, which views share. All are kept, so that no address is used again.
        self._kept: list[Tensor] = []
        self._addresses: set[int] = set()
        self._keep(tensors)

    def run(self, function: Callable[[], Any]) -> Any:
        """What the function returns, watched."""
        with _Functions(self), operations_by(self.operation):
            return function()

    def of(self, given: Any) -> bool:
        """Whether any tensor in a nest of arguments is a watched one, or was computed from one."""
        return any(_address(leaf) in self._addresses for leaf in tree_leaves(given) if _is_stored(leaf))

    def operation(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Run an ATen operation, and note it."""
        watched = self.of((args, kwargs))
        result = function(*args, **kwargs)
        name = function.name().split("::")[-1].split(".")[0].removesuffix("_")
        if watched and name not in _SHAPES:
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            if not self._is_polynomial(name, args, kwargs, made):
                self.seen["item" if name == "_local_scalar_dense" else name] = None
            self._keep(made)
        return result

    def _is_polynomial(self, name: str, args: Any, kwargs: Any, made: list[Tensor]) -> bool:
        if name == "div":
            return not kwargs.get("rounding_mode") and not self.of(args[1])
        if name == "pow":
            return not isinstance(args[1], Tensor) and args[1] >= 0 and args[1] == int(args[1])
        if name == "_to_copy":
            return all(tensor.is_floating_point() for tensor in made)
        return name in _POLYNOMIAL

    def _keep(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            if _is_stored(tensor):
                self._kept.append(tensor)
                self._addresses.add(_address(tensor))
                if tensor.is_floating_point():
                    self.precision = max(self.precision, torch.finfo(tensor.dtype).eps)


class _Functions(TorchFunctionMode):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _LEAVE and self._watch.of((args, kwargs)):
            self._watch.seen[name] = None
        return func(*args, **(kwargs or {}))


def _is_stored(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.numel() > 0


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
