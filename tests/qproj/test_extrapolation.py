"""Zero-noise extrapolation: folding, and fits against closed forms and Mitiq."""

import numpy as np
import pytest
import torch

from qproj import Circuit, Constant, Gate, InputSlot, QuantumLayer
from qproj.circuits.gates import GATES
from qproj.noise import Channel, NoiseModel, exponential, extrapolate, fold, richardson
from tests.qproj import reference

SCALES = (1, 3, 5)


@pytest.mark.parametrize("part", range(3))
def test_a_folded_circuit_does_the_same(part):
    names = [name for name in GATES if GATES[name].n_wires <= 3][part::3]
    gates = [
        reference.example(
            name, range(GATES[name].n_wires)[::-1], iter([Constant(0.3), Constant(-1.1), Constant(0.7)])
        )
        for name in names
    ]
    circuit = Circuit(3, gates=gates, observables="xyz")
    folded = fold(circuit, 3)
    assert len(folded.plain_gates) >= 3 * len(circuit.gates)
    np.testing.assert_allclose(
        reference.values(folded, [[]], []), reference.values(circuit, [[]], []), atol=1e-9
    )


def test_fits_are_exact_where_their_models_are():
    values = [2 - 3 * s + 0.5 * s**2 for s in SCALES]
    assert richardson(SCALES, values) == pytest.approx(2)
    decay = [torch.tensor([0.2 - 0.8 * np.exp(-0.3 * s), 0.2 + 0.1 * np.exp(-0.1 * s)]) for s in SCALES]
    torch.testing.assert_close(
        exponential(SCALES, decay, 0.2), torch.tensor([-0.6, 0.3], dtype=torch.float64)
    )
    for fit in (richardson, exponential):
        with pytest.raises(ValueError, match="scales must be at least"):
            fit((1, 1), [0.1, 0.2])


def test_noise_is_extrapolated_away():
    """Phase damping of an even number of flips: values decay exponentially, so that fit is exact."""
    circuit = Circuit(gates=[Gate("RX", (0,), InputSlot(0))])
    noise, x = NoiseModel(Channel("depolarizing", 0.03)), torch.tensor([[0.6]])

    def run(folded):
        return QuantumLayer(circuit=folded, noise=noise)(x)

    wanted = np.cos(0.6)
    assert extrapolate(run, circuit, fit=exponential).item() == pytest.approx(wanted, abs=1e-5)
    assert extrapolate(run, circuit).item() == pytest.approx(wanted, abs=1e-3)
    assert abs(run(circuit).item() - wanted) > 0.03
    with pytest.raises(ValueError, match="odd number"):
        fold(circuit, 2)
    with pytest.raises(ValueError, match="free of noise"):
        fold(noise.on(circuit), 3)


def test_fits_are_mitiqs():
    zne = pytest.importorskip("mitiq.zne", reason="Mitiq is not installed: pip install 'qproj[mitiq]'")
    values = [0.71, 0.53, 0.42]
    assert richardson(SCALES, values) == pytest.approx(zne.RichardsonFactory.extrapolate(SCALES, values))
    two = zne.ExpFactory.extrapolate(SCALES[:2], values[:2], asymptote=0.1)
    assert exponential(SCALES[:2], values[:2], 0.1) == pytest.approx(two)
