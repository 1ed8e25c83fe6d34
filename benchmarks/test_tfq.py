"""TensorFlow Quantum beside ours, in the environment of its own that `make tfq` has made."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest
import torch

from benchmarks.documents import ROOT
from benchmarks.grid import STRONG, Cell
from benchmarks.recording import beside
from benchmarks.workloads import circuit
from qproj import QuantumLayer

_CELL = Cell(STRONG, 4, 32)
_PYTHON = ROOT / ".tfq" / "bin" / "python"


@pytest.fixture
def ask():
    """A function that sends a line to TensorFlow Quantum, and waits for what it says."""
    if not _PYTHON.exists():
        pytest.skip("TensorFlow Quantum has no environment here; run make tfq")
    quiet = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}
    command = [_PYTHON, ROOT / "tests" / "tfq" / "serve.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, env=os.environ | quiet, **pipes) as child:

        def ask(line, *, answered=True):
            child.stdin.write(line + "\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline()) if answered else None

        yield ask
        child.stdin.close()


def test_a_step(benchmark, ask, pace):
    """Values of each qubit's Z, and gradients for inputs and weights by its adjoint method."""
    cases = pytest.importorskip("tests.tfq.cases", reason="the tests are not here")
    pytest.importorskip("cirq", reason="cirq is not installed")
    made = circuit(_CELL)
    x, w, cotangents = (torch.from_numpy(a).float() for a in cases.numbers(made, _CELL.batch))
    layer = QuantumLayer(circuit=made)
    layer.weights.data.copy_(w)

    def own():
        layer.weights.grad = x.grad = None
        values = layer(x.requires_grad_())
        values.backward(cotangents)
        return values

    ask(json.dumps(cases.case(made, _CELL.batch)), answered=False)
    found = ask("check")
    ours = own().detach(), x.grad, layer.weights.grad.flatten()
    for name, wanted in zip(("values", "by_inputs", "by_weights"), ours, strict=True):
        assert np.abs(np.array(found[name]) - wanted.numpy()).max() < 1e-4
    beside(benchmark, "gradients", "tensorflow-quantum", _CELL, own, lambda: ask("step"), pace, "both")
