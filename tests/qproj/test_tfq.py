"""TensorFlow Quantum's expectation values and gradients of exported circuits, as `make tfq` found them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import qproj
from tests.tfq.cases import CIRCUITS, numbers

GOLDEN = json.loads((Path(__file__).parents[1] / "tfq" / "golden.json").read_text())


@pytest.mark.parametrize("name", CIRCUITS)
def test_values_and_gradients_are_tensorflow_quantums(name):
    circuit, golden = CIRCUITS[name], GOLDEN[name]
    x, w, cotangents = map(torch.from_numpy, numbers(circuit, 3))
    layer = qproj.QuantumLayer(circuit=circuit).double()
    layer.weights = torch.nn.Parameter(w)
    values = layer(x.requires_grad_())
    found = values, *torch.autograd.grad(values, (x, layer.weights), cotangents)
    for ours, key in zip(found, ("values", "by_inputs", "by_weights"), strict=True):
        np.testing.assert_allclose(
            ours.detach().reshape(np.shape(golden[key])), golden[key], atol=5e-5
        )  # theirs are single


@pytest.mark.parametrize("name", CIRCUITS)
def test_circuits_are_those_it_was_given(name):
    cirq = pytest.importorskip("cirq")
    assert cirq.read_json(json_text=GOLDEN[name]["circuit"]) == CIRCUITS[name].to_cirq()
