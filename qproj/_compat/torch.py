"""Private names of torch. They are looked up once, at import; a missing one is `None`."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def _find(path: str) -> Any:
    """The object at a dotted path below `torch`, or `None`."""
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


_functorch_active = _find("_C._are_functorch_transforms_active")
_dispatch_stack = _find("_C._len_torch_dispatch_stack")
_keep_graph = _find("_C._autograd._get_current_graph_task_keep_graph")
_top_hooks = _find("_C._autograd._top_saved_tensors_default_hooks")
_is_legacy_batched = _find("_C._functorch.is_legacy_batchedtensor")
_tracing_state = _find("_C._get_tracing_state")
_forward_ad = torch.autograd.forward_ad
_DispatchMode = _find("utils._python_dispatch.TorchDispatchMode")
_tree_leaves = _find("utils._pytree.tree_leaves")
_force_keys = _find("_C._ForceDispatchKeyGuard")
_disabled: dict[Callable[..., Any], Callable[..., Any]] = {}


def transforms_active(*tensors: torch.Tensor) -> bool:
    """Whether a transformation of `torch.func` is in force.

    Fallback: whether one of the tensors is a wrapper, which has no memory of its own.
    """
    if _functorch_active is not None:
        return bool(_functorch_active())
    return any(map(_is_wrapper, tensors))


# What `torch.jit.trace` warns of.
TracerWarning: type[Warning] = torch.jit.TracerWarning  # type: ignore[attr-defined]


def is_traced() -> bool:
    """Whether `torch.jit.trace` is recording. Fallback: the public way, which takes longer."""
    if _tracing_state is not None:
        return _tracing_state() is not None
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def dispatch_mode_active() -> bool:
    """Whether a dispatch mode is in force: `make_fx`, `FakeTensorMode`, a counter of operations.

    Fallback: yes, which runs the layer as one operator.
    """
    return _dispatch_stack is None or _dispatch_stack() > 0


def forward_ad_active() -> bool:
    """Whether forward-mode differentiation is in force. Fallback: yes, which runs the general path."""
    return bool(getattr(_forward_ad, "_current_level", 0) >= 0)


def keeps_graph() -> bool:
    """Whether the running backward pass has `retain_graph=True`.

    Fallback: yes, so that no residuals go to the buffer pool.
    """
    return _keep_graph is None or bool(_keep_graph())


def has_saved_tensor_hooks() -> bool:
    """Whether `torch.autograd.graph.saved_tensors_hooks` are in force.

    Fallback: yes, so that residuals are saved as tensors.
    """
    return _top_hooks is None or _top_hooks(False) is not None


def is_legacy_batched(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds the rows of `is_grads_batched=True`. Fallback: whether it is a wrapper."""
    return bool(_is_legacy_batched(tensor)) if _is_legacy_batched is not None else _is_wrapper(tensor)


def makes_program() -> bool:
    """Whether `make_fx` is recording operations. Fallback: whether any dispatch mode is in force."""
    try:
        mode = importlib.import_module("torch.fx.experimental.proxy_tensor").get_proxy_mode
    except (ImportError, AttributeError):
        return dispatch_mode_active()
    return mode() is not None


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves of nested containers. Fallback: of lists, tuples and dicts only."""
    if _tree_leaves is not None:
        return list(_tree_leaves(tree))
    if isinstance(tree, dict):
        tree = list(tree.values())
    return (
        [leaf for part in tree for leaf in tree_leaves(part)] if isinstance(tree, (list, tuple)) else [tree]
    )


def accumulating(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Views of the leaves among tensors; while these live, the gradient accumulators of the leaves exist.

    A leaf makes its accumulator when a graph first needs it, under a lock, and torch 2.13 takes the GIL for
    it there. An autograd function asks for the accumulator with the GIL held. So threads that share a leaf
    may wait for each other for ever, unless it exists; to make a view releases the GIL. Where there is one
    thread, which notices the 8 us that two views take, there are none.
    """
    if threading.active_count() == 1:
        return []
    return [t.view_as(t) for t in tensors if t.requires_grad and t.is_leaf]


def as_a_caller(run: Callable[[], Result]) -> Result:
    """Call a function within a custom operator as if it were called from outside of it.

    In a compiled program an operator runs with keys of torch's dispatcher excluded, autograd's and that of
    lazy conjugation among them: `z.conj() * z` is then `z * z`. Fallback: another thread, with its own keys.

    Args:
        run: The function.

    Returns:
        What it returns.
    """
    if _force_keys is None:
        with ThreadPoolExecutor(1) as other:
            return other.submit(run).result()
    with _force_keys(*_keys_of_a_caller()):
        return run()


@functools.cache
def _keys_of_a_caller() -> tuple[Any, Any]:
    """The dispatcher's keys, included and excluded, in a thread that runs nothing else."""
    with ThreadPoolExecutor(1) as other:
        included = other.submit(torch._C._dispatch_tls_local_include_set).result()
        return included, other.submit(torch._C._dispatch_tls_local_exclude_set).result()


def untraced(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function that `torch.compile` does not look into; to say so does not load it, which takes seconds."""
    if "torch._dynamo" not in sys.modules:
        return function
    if function not in _disabled:
        _disabled[function] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
    return _disabled[function]


def operations_by(run: Callable[[Any, Any, Any], Any]) -> AbstractContextManager[Any]:
    """Have every operation of torch run by `run(operation, args, kwargs)` in this block.

    Raises:
        RuntimeError: If there are no dispatch modes; there is no fallback.
    """
    if _DispatchMode is None:
        raise RuntimeError(
            f"from_qnode must see the operations of a QNode, but torch {torch.__version__} has no dispatch "
            "modes where it is known to have them. Install the version in constraints.txt."
        )

    class Mode(_DispatchMode):  # type: ignore[misc, valid-type]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return run(func, args, kwargs or {})

    mode: AbstractContextManager[Any] = Mode()
    return mode


def _is_wrapper(tensor: torch.Tensor) -> bool:
    try:
        tensor.data_ptr()
    except RuntimeError:
        return True
    return False
