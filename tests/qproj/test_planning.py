"""What is chosen, why, and what is said of it."""

from typing import get_args

import pytest
import torch

import qproj
from qproj.backends import jax
from qproj.circuits import Circuit
from qproj.execution import programs
from qproj.memory import check_memory, format_bytes
from qproj.planning.cost import choose, plan
from qproj.planning.strategies import NOISY_STRATEGIES, STRATEGIES, DiffMethod, Strategy


def test_a_plan_says_what_and_why():
    text = str(qproj.QuantumLayer(8, 3).plan(batch=256))
    assert "8 qubits, in 3 layers; batch 256; one state of the batch is 512.0 KiB" in text
    assert "has the lowest estimate" in text
    for strategy in ("dense", "fused-4"):
        assert strategy in text
    assert "passes" in text
    assert "Mflop" in text
    assert "single kernel" not in text
    assert "single kernel" in str(qproj.QuantumLayer(4, 3).plan(batch=32))


def test_counts_are_those_of_the_circuit():
    """Two layers after the preparation, two blocks of 32 x 32 real matrices each, over 2 * 256 * 10 reals."""
    made = plan(Circuit(8, 3, observables="xyz"), 10, 4, "fused-4", "adjoint")
    cost = made.costs[0]
    assert cost.blocks == (4, 4)
    reals = 2 * 256 * 10
    assert cost.flops == 2 * 2 * (2 * 32 * reals) + 8 * 2560
    # preparing, measuring; in each of two layers two products, and the second block brought to the front; a
    # gather in all three
    assert cost.passes == 2 + 2 * (2 + 1) + 3


def test_what_is_asked_for_is_done():
    for strategy in STRATEGIES:
        assert choose(Circuit(6, 3), 32, 4, strategy, "parameter-shift") == (strategy, "parameter-shift")
        layer = qproj.QuantumLayer(6, 3, strategy=strategy)
        assert layer.plan().strategy == strategy
        assert f"strategy='{strategy}'" in repr(layer)


def test_a_batch_of_none_is_refused():
    with pytest.raises(ValueError, match="batch must be at least 1, but was 0"):
        qproj.QuantumLayer(2, 1).plan(0)


def test_literals_are_what_the_engine_runs():
    """Names for type checkers: each is accepted, and nothing else is run."""
    possible = {cost.strategy for cost in plan(Circuit(6, 1), 2, 4, "auto", "best").costs}
    assert set(get_args(Strategy)) == {"auto", *possible, *NOISY_STRATEGIES}
    methods = jax.NAMES[""].diff_methods
    assert set(get_args(DiffMethod)) == {"best", *methods}
    for method in methods:
        assert programs.build(Circuit(2, 1), "fused-2", method) is not None
    for options in ({"diff_method": "shift"}, {"strategy": "fused-7"}):
        with pytest.raises(ValueError, match="must be one of"):
            qproj.QuantumLayer(2, 1, **options)


def test_few_qubits_and_a_large_batch_are_dense_and_all_else_fused():
    assert choose(Circuit(5, 3), 1024, 4, "auto", "best")[0] == "dense"
    assert choose(Circuit(5, 3), 1, 4, "auto", "best")[0].startswith("fused-")
    assert choose(Circuit(14, 3), 8, 4, "auto", "best")[0].startswith("fused-")


def test_memory_decides_between_adjoint_and_backprop(monkeypatch):
    deep = Circuit(14, 40)
    for memory, method in ((2**36, "backprop"), (2**26, "adjoint")):
        monkeypatch.setattr("qproj.memory.physical_memory", lambda memory=memory: memory)
        made = plan(deep, 8, 4, "fused-4", "best")
        assert made.diff_method == method
        assert made.why[1].startswith(method)


def test_single_samples_of_few_qubits_are_differentiated_at_once():
    assert plan(Circuit(4, 3), 1, 4, "auto", "best").diff_method == "jacobian"
    # Not within a larger program, where a call costs nothing and one sample may stand for many.
    assert plan(Circuit(4, 3), 1, 4, "auto", "best", two_calls=False).diff_method == "backprop"
    assert plan(Circuit(4, 3), 16, 4, "auto", "best").diff_method == "backprop"
    assert plan(Circuit(9, 3), 1, 4, "auto", "best").diff_method == "backprop"
    assert plan(Circuit(4, 3), 1, 4, "auto", "adjoint").diff_method == "adjoint"


def test_double_precision_counts_twice():
    layer = qproj.QuantumLayer(6, 2)
    assert layer.plan(4, torch.float64).state_bytes == 2 * layer.plan(4).state_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "fussed-4"}, r"strategy must be one of .*Did you mean 'fused-4'\?"),
        ({"diff_method": "adjiont"}, r"diff_method must be one of .*Did you mean 'adjoint'\?"),
        ({"strategy": "dense", "n_qubits": 12}, "strategy must be one of fused-.*but was 'dense'"),
        ({"strategy": "dense", "reupload": True}, "inputs enter once"),
        ({"shots": 100, "diff_method": "adjoint"}, "diff_method must be"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        qproj.QuantumLayer(**options)


def test_too_many_qubits_are_refused_in_bytes():
    with pytest.raises(
        ValueError, match=r"n_qubits must be at most \d+ on this machine, but was 60: .* takes 32768\.0 PiB"
    ):
        qproj.QuantumLayer(60, 1)
    with pytest.raises(ValueError, match=r"at most 20 .*was 21.*takes 64\.0 MiB .* there are 32\.0 MiB"):
        check_memory(21, limit=2**25)
    check_memory(20, limit=2**25)


def test_bytes_are_written_for_people():
    assert [format_bytes(n) for n in (5, 1024, 1536, 2**30)] == ["5 B", "1.0 KiB", "1.5 KiB", "1.0 GiB"]
