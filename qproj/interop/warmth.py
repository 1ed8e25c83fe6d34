"""When a circuit has been run often enough to be compiled.

Compiling takes about a second, and many circuits are run once or twice: the tapes of a Hadamard test, those
of a test suite. PennyLane's simulator runs a circuit as long as all of its runs together take less than a
part of that. What they take is estimated, not measured, so that equal programs take equal ways.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from qproj.circuits.circuit import Circuit

# Of interpreting, before a circuit is compiled.
SECONDS = 0.25
# Of PennyLane's simulator on a CPU, for a gate, and for a gate and an amplitude.
_PER_GATE, _PER_AMPLITUDE = 5e-5, 2e-8
# With a backward pass.
_WITH_GRADIENTS = 4
_REMEMBERED = 1024

_spent: OrderedDict[Circuit, float] = OrderedDict()
_lock = Lock()


def is_worth_compiling(circuit: Circuit, rows: int, differentiates: bool) -> bool:
    """Note that a circuit is run once more, and say whether it should be compiled by now.

    Args:
        circuit: The circuit.
        rows: Samples of the batch.
        differentiates: Whether gradients may follow.

    Returns:
        Whether it should.
    """
    cost = (1 + len(circuit.gates)) * (_PER_GATE + _PER_AMPLITUDE * rows * 2**circuit.n_qubits)
    with _lock:
        spent = _spent.pop(circuit, 0.0) + cost * (_WITH_GRADIENTS if differentiates else 1)
        _spent[circuit] = spent
        if len(_spent) > _REMEMBERED:
            _spent.popitem(last=False)
    return bool(spent > SECONDS)
