"""Whether a backend keeps the contract of backends: `python -m qproj.testing.conformance NAME`.

Values and gradients are compared with a naive simulator, measurements with the statistics they must have.
Each check is a function of the backend; one that asks for what the capabilities exclude is left out.
"""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
import torch

from qproj.backends import Capabilities, families, get_backend
from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.inputs import features_of
from qproj.layers import QuantumLayer
from qproj.planning.execution import Execution
from qproj.testing import naive

_SHOTS = 4000
# Statistical checks fail by chance as often as a normal variable is so many standard errors away.
_ERRORS = 5.0

MIXED = Circuit(
    gates=[
        Gate("Hadamard", (1,)),
        Gate("RX", (0,), InputSlot(0, 0.5)),
        Gate("RY", (2,), WeightSlot(0)),
        Gate("CNOT", (0, 2)),
        Gate("CRX", (2, 1), InputSlot(1, -1.5)),
        Gate("RZ", (1,), WeightSlot(1, 2.0)),
        Gate("RY", (0,), Constant(0.4)),
        Gate("RX", (1,), InputSlot(0, 1.0, 1)),
        Gate("RY", (1,), WeightSlot(0, 0.3)),
    ],
    observables=[
        PauliWord("Z", (0,)),
        PauliWord("XY", (2, 1), -0.5),
        Hamiltonian((PauliWord("Z", (2,)), PauliWord("ZX", (0, 1), 2.0))),
    ],
)
# Of the index 2 = 0b10, the first bit is wire 0's.
AMPLITUDES = Circuit(2, gates=[Gate("RZ", (0,), WeightSlot(0))], encoding="amplitude")
COSINE = Circuit(gates=[Gate("RX", (0,), InputSlot(0))])
# Eigenstates of X, Y and -Y.
EIGENSTATES = Circuit(
    gates=[
        *(Gate("Hadamard", (wire,)) for wire in range(3)),
        *(Gate("RZ", (wire,), Constant(sign * math.pi / 2)) for wire, sign in ((1, 1), (2, -1))),
    ],
    observables=[PauliWord("X"), PauliWord("Y", (1,)), PauliWord("Y", (2,)), PauliWord("XY"), PauliWord("I")],
)


def check_values(backend: Any) -> None:
    """Values are those of the naive simulator, coefficients, products and scales included."""
    x, w, _ = _drawn(4)
    _compare(backend, MIXED, x, w)


def check_bit_order(backend: Any) -> None:
    """Wire 0 is the most significant bit: of amplitudes, of gates, of observables."""
    _compare(backend, AMPLITUDES, np.eye(4)[[2, 1]], np.zeros(1))
    flip = Circuit(3, gates=[Gate("RX", (0,), WeightSlot(0)), Gate("CNOT", (0, 1))])
    _compare(backend, flip, np.zeros((1, 0)), np.array([0.9]))


def check_signs(backend: Any) -> None:
    """`RX(t) = exp(-i t X / 2)`, so that Y is `-sin(t)`."""
    circuit = Circuit(gates=[Gate("RX", (0,), InputSlot(0))], observables=[PauliWord("Y", (0,))])
    found = _run(backend, circuit, _execution(backend), np.array([[0.7], [-0.2]]), np.zeros(0))
    np.testing.assert_allclose(found, [[-math.sin(0.7)], [math.sin(0.2)]], atol=_tolerance(backend, 1))


def check_bases(backend: Any) -> None:
    """Eigenstates of X and Y have no scatter: a basis is not taken for another, or its negative."""
    if not _can(backend).shots:
        return
    found = _run(backend, EIGENSTATES, Execution(shots=20), np.zeros((2, 0)), np.zeros(0))
    np.testing.assert_allclose(found, [[1, 1, -1, 1, 1]] * 2, atol=1e-6)


def check_gradients(backend: Any) -> None:
    """By every method: those of the naive simulator, by the chain rule, for inputs and weights."""
    x, w, cotangents = _drawn(3)
    expected = naive.gradients(MIXED, x, w, cotangents)
    methods = _can(backend).diff_methods if _can(backend).exact else ("parameter-shift",)
    for method in ("best", *methods):
        execution = Execution(method, shots=_execution(backend).shots)
        found = _gradients(backend, MIXED, execution, x, w, cotangents)
        for name, actual, wanted in zip(("inputs", "weights"), found, expected, strict=True):
            message = f"gradient for {name} by {method!r}"
            np.testing.assert_allclose(actual, wanted, atol=_tolerance(backend, 60), err_msg=message)


def check_batches(backend: Any) -> None:
    """Batches of 1, 3 and 4 rows are their rows, in their order; one of none gives none."""
    if _can(backend).exact:
        x, w, _ = _drawn(4)
        whole = _run(backend, MIXED, Execution(), x, w)
        for start, stop in ((0, 1), (1, 4)):
            np.testing.assert_allclose(
                _run(backend, MIXED, Execution(), x[start:stop], w), whole[start:stop], atol=1e-6
            )
    layer = _layer(backend, Circuit(2, 1))
    assert layer(torch.zeros(0, 2)).shape == (0, 2), "a batch of no rows must give no rows"


def check_failures(backend: Any) -> None:
    """A sample that is not a number is not a number, or an error that names it; the others are right."""
    x, w, _ = _drawn(3)
    wanted = naive.values(MIXED, x, w)
    x[1] = np.nan
    try:
        found = _run(backend, MIXED, _execution(backend), x, w)
    except RuntimeError as error:
        assert "sample 1" in str(error), f"the error does not name sample 1: {error}"  # noqa: PT017
        return
    assert np.isnan(found[1]).all(), f"of angles that are NaN came {found[1]}"
    np.testing.assert_allclose(found[[0, 2]], wanted[[0, 2]], atol=_tolerance(backend, 3))


def check_shots(backend: Any) -> None:
    """Values scatter about the exact ones with the variance that so many measurements have."""
    if not _can(backend).shots:
        return
    n, x = 400, 1.2  # half the shots are told from all by as many errors
    values = _run(backend, COSINE, Execution(shots=100), np.full((n, 1), x), np.zeros(0))[:, 0]
    deviation = math.sin(x) / math.sqrt(100)
    assert abs(values.mean() - math.cos(x)) < _ERRORS * deviation / math.sqrt(n), "the mean is biased"
    assert abs(values.var() / deviation**2 - 1) < _ERRORS * math.sqrt(2 / n), (
        f"the standard deviation is {values.std():.4f}, and should be {deviation:.4f}"
    )
    steps = np.abs(values * 50 - np.round(values * 50)).max()
    assert steps < 1e-4, "values of 100 measurements must be multiples of 1/50"
    found, _ = _gradients(
        backend, COSINE, Execution(shots=_SHOTS), np.array([[x]]), np.zeros(0), np.ones((1, 1))
    )
    error = math.cos(x) / math.sqrt(2 * _SHOTS)
    assert abs(found[0, 0] + math.sin(x)) < _ERRORS * error, "the gradient is biased"


def check_seed(backend: Any) -> None:
    """Equal seeds give equal bits, others give others."""
    if not _can(backend).seed:
        return
    x = np.full((20, 1), 1.2)
    first, again, other = (
        _run(backend, COSINE, Execution(shots=100, seed=seed), x, np.zeros(0)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again), "equal seeds gave different values"
    assert not np.array_equal(first, other), "different seeds gave equal values"
    assert len(np.unique(first)) > 1, "all rows have the same randomness"


def check_refusals(backend: Any) -> None:
    """What the capabilities exclude is refused, in words that name the argument."""
    can = _can(backend)
    refused = {
        "backend_options": Execution(extra={"no-such-option": 1}),
        "strategy": Execution(strategy="none"),
    }
    if can.exact and can.default_shots is None:
        refused["seed"] = Execution(seed=1)
    if not can.noise:
        refused["noise"] = Execution(noise="some")
    if not can.shots:
        refused["shots"] = Execution(shots=10)
    for name, execution in refused.items():
        try:
            _run(backend, COSINE, execution, np.zeros((1, 1)), np.zeros(0))
        except ValueError as error:
            assert name in str(error), f"the error does not name {name}: {error}"  # noqa: PT017
        else:
            raise AssertionError(f"{execution} was not refused")


def check_pickling(backend: Any) -> None:
    """A layer whose backend is a name comes back from `pickle` and runs as before."""
    if not isinstance(backend, str):
        return
    layer = _layer(backend, Circuit(2, 1))
    x = torch.tensor([[0.3, -0.4]])
    again = pickle.loads(pickle.dumps(layer))  # noqa: S301 (what was written a moment ago)
    difference = (again(x) - layer(x)).abs().max().item()
    assert difference <= _tolerance(backend, 2), f"values differ by {difference} afterwards"


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_values,
    check_bit_order,
    check_signs,
    check_bases,
    check_gradients,
    check_batches,
    check_failures,
    check_shots,
    check_seed,
    check_refusals,
    check_pickling,
)


def failures(backend: Any) -> dict[str, str]:
    """Run all checks.

    Args:
        backend: As for `qproj.QuantumLayer`.

    Returns:
        Of each check that failed, its name and why.
    """
    found = {}
    for check in CHECKS:
        try:
            check(backend)
        except Exception as error:
            found[check.__name__] = f"{type(error).__name__}: {str(error).strip()}"
    return found


def main(arguments: list[str]) -> int:
    """The command: 0 where all checks passed, 1 where one failed, 2 for wrong usage."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        known = ", ".join(families.advertised())
        _say(f"usage: python -m qproj.testing.conformance NAME\nbackends known here: {known}", sys.stderr)
        return 2
    try:
        get_backend(arguments[0])
    except (ValueError, ImportError) as error:
        _say(str(error), sys.stderr)
        return 2
    found = failures(arguments[0])
    for check in CHECKS:
        name = check.__name__
        _say(f"FAILED {name}: {check.__doc__}\n       {found[name]}" if name in found else f"passed {name}")
    _say(f"{len(CHECKS) - len(found)} of {len(CHECKS)} checks passed by {arguments[0]!r}")
    return 1 if found else 0


def _say(line: str, stream: TextIO | None = None) -> None:
    (stream or sys.stdout).write(line + "\n")


def _can(backend: Any) -> Capabilities:
    return get_backend(backend).capabilities


def _execution(backend: Any) -> Execution:
    """Exact where that can be had."""
    return Execution() if _can(backend).exact else Execution(shots=_SHOTS)


def _tolerance(backend: Any, scale: float) -> float:
    """How far values of that size may be off."""
    return 1e-6 if _can(backend).exact else _ERRORS * scale / math.sqrt(_SHOTS)


def _layer(backend: Any, circuit: Circuit) -> QuantumLayer:
    generator = torch.Generator().manual_seed(0)
    shots = _execution(backend).shots
    return QuantumLayer(circuit=circuit, backend=backend, shots=shots, generator=generator)


def _drawn(batch: int) -> tuple[Any, Any, Any]:
    """Inputs, weights and cotangents of `MIXED`."""
    generator = np.random.default_rng(3)
    return generator.normal(size=(batch, 2)), generator.normal(size=2), generator.normal(size=(batch, 3))


def _features(circuit: Circuit, x: torch.Tensor) -> torch.Tensor:
    return x if circuit.amplitudes else features_of(circuit, x)  # a backend's own gradient, not of a norm


def _run(backend: Any, circuit: Circuit, execution: Execution, x: Any, w: Any) -> Any:
    with torch.no_grad():
        features = _features(circuit, torch.from_numpy(np.array(x)))
        values = get_backend(backend).run(circuit, execution, features, torch.from_numpy(np.array(w)))
    return values.numpy()


def _gradients(backend: Any, circuit: Circuit, execution: Execution, x: Any, w: Any, cotangents: Any) -> Any:
    tensors = [torch.from_numpy(np.array(array)).requires_grad_() for array in (x, w)]
    values = get_backend(backend).run(circuit, execution, _features(circuit, tensors[0]), tensors[1])
    found = torch.autograd.grad(values, tensors, torch.from_numpy(cotangents), allow_unused=True)
    return [np.zeros(t.shape) if g is None else g.numpy() for g, t in zip(found, tensors, strict=True)]


def _compare(backend: Any, circuit: Circuit, x: Any, w: Any) -> None:
    found = _run(backend, circuit, _execution(backend), x, w)
    np.testing.assert_allclose(found, naive.values(circuit, x, w), atol=_tolerance(backend, 3))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
