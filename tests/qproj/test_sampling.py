"""Terms that are measured together, and estimates from probabilities, against their statistics."""

import jax
import numpy as np
import pytest
from scipy import stats

from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, PauliWord, WeightSlot
from qproj.circuits.grouping import groups
from qproj.circuits.measurements import Probs, Projector
from qproj.execution import sampling
from qproj.simulation import bases

from . import reference

ROTATION = [Gate("RY", (0,), WeightSlot(0))]
SHOTS, SEEDS = 100, 200


def circuit_of(n_qubits, *observables):
    return Circuit(n_qubits, gates=ROTATION, observables=observables)


MANY = circuit_of(
    3,
    PauliWord("ZX", (0, 2)),
    Probs((2, 0)),
    PauliWord("Y", (1,)),
    Hamiltonian((PauliWord("X", (2,), 3.0), PauliWord("Y", (2,), -4.0), PauliWord("I", (0,), 100.0))),
    Projector("10", (1, 0)),
    PauliWord("Z", (1,)),
)
WIDTHS = [getattr(term, "width", 1) for term in MANY.terms]


def states(rows, n_qubits, seed=0):
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=(rows, 2**n_qubits)) + 1j * rng.normal(size=(rows, 2**n_qubits))
    return psi / np.linalg.norm(psi, axis=1, keepdims=True)


def columns(circuit, psi):
    """What the reference makes of a state, for each term."""
    found = []
    for term in circuit.terms:
        if isinstance(term, PauliWord):
            bare = PauliWord(term.letters, term.wires)
            found.append((psi.conj() @ reference.operator(circuit.n_qubits, bare) @ psi).real)
            continue
        names = [f"{i:0{len(term.wires)}b}" for i in range(2 ** len(term.wires))]
        for name in names if isinstance(term, Probs) else [term.bits]:
            on = {w: reference.ON if bit == "1" else reference.OFF for w, bit in zip(term.wires, name)}  # noqa: B905
            found.append((psi.conj() @ reference.on_wires(circuit.n_qubits, on) @ psi).real)
    return np.array(found)


def by_group(circuit, psi):
    pair = np.stack([psi.T.real, psi.T.imag])
    return [(bases.in_basis(pair, group.basis) ** 2).sum(axis=0).T for group in groups(circuit)]


def keys(rows, seed=0):
    return sampling.keys_of(np.random.SeedSequence(seed).generate_state(rows, np.uint64))


def test_words_that_commute_wire_by_wire_are_measured_together():
    assert [group.basis for group in groups(Circuit(3, observables="zz"))] == ["ZZZ"]
    assert [group.basis for group in groups(Circuit(2, observables="xyz"))] == ["XX", "YY", "ZZ"]
    made = groups(MANY)
    assert sorted(place for group in made for place in group.members) == list(range(len(MANY.terms)))
    assert [group.basis for group in made] == ["ZYX", "ZZZ", "ZZY"]


def test_a_hamiltonian_shares_its_measurements_out_by_weight():
    words = [PauliWord("X", (0,), 3.0), PauliWord("Z", (0,), -1.0), PauliWord("I", (0,), 50.0)]
    made = groups(circuit_of(1, Hamiltonian(words)))
    assert [group.shots(1000) for group in made] == [1500, 500]
    assert [group.shots(1) for group in made] == [2, 1]
    alone = groups(circuit_of(1, *words))
    assert [group.shots(1000) for group in alone] == [1000, 1000]


@pytest.mark.parametrize("n_qubits", [1, 5])
def test_the_change_of_basis_is_that_of_the_gates(n_qubits):
    basis = "YXZZX"[:n_qubits]
    circuit = circuit_of(n_qubits, *(PauliWord(letter, (wire,)) for wire, letter in enumerate(basis)))
    (group,), psi = groups(circuit), states(2, n_qubits)
    with jax.enable_x64(True):
        (found,) = by_group(circuit, psi)
    assert group.basis == basis
    after, turns = psi.T, {"X": ("RY", -np.pi / 2), "Y": ("RX", np.pi / 2)}
    for wire, letter in enumerate(basis):
        if letter in turns:
            name, angle = turns[letter]
            after = reference.matrix(n_qubits, Gate(name, (wire,), Constant(angle)), (), ()) @ after
    np.testing.assert_allclose(found, np.abs(after.T) ** 2, atol=1e-14)


@pytest.fixture(scope="module")
def measured():
    """One state under many seeds, as rows of one call; and its exact values."""
    psi = states(1, 3, seed=5)
    with jax.enable_x64(True):
        run = jax.jit(lambda keys, *p: sampling.estimates(MANY, p, keys, SHOTS))
        each = by_group(MANY, psi.repeat(SEEDS, axis=0))
        return np.asarray(run(keys(SEEDS), *each)), columns(MANY, psi[0]), run, each


def test_estimates_have_the_mean_and_the_variance_of_their_measurements(measured):
    values, wanted, *_ = measured
    shots = np.array([group.shots(SHOTS) for group in groups(MANY)])[_groups_of_columns()]
    is_word = np.repeat([isinstance(term, PauliWord) for term in MANY.terms], WIDTHS)
    variance = np.where(is_word, 1 - wanted**2, wanted * (1 - wanted)) / shots
    assert (np.abs(values.mean(axis=0) - wanted) <= 4 * np.sqrt(variance / SEEDS) + 1e-12).all()
    sums = ((values - wanted) ** 2).sum(axis=0)
    random = variance > 1e-12
    assert (sums[~random] < 1e-20).all()
    low, high = stats.chi2.interval(1 - 1e-4, SEEDS)
    assert ((low < sums[random] / variance[random]) & (sums[random] / variance[random] < high)).all()
    # Probabilities of one term are frequencies of the same outcomes.
    np.testing.assert_allclose(values[:, 1:5].sum(axis=1), 1, atol=1e-12)


def test_a_row_depends_on_its_seed_alone(measured):
    values, _, run, each = measured
    with jax.enable_x64(True):
        turned = run(keys(SEEDS)[::-1], *each)
    np.testing.assert_array_equal(turned, values[::-1])
    assert len(np.unique(values, axis=0)) > SEEDS / 2


def test_groups_are_independent(measured):
    """Equal generators would draw outcomes of equal rank."""
    values, *_ = measured
    first, second = (
        values[:, (_groups_of_columns() == group) & (values.std(axis=0) > 0)] for group in (0, 1)
    )
    between = np.corrcoef(first.T, second.T)[: first.shape[1], first.shape[1] :]
    assert np.abs(between).max() < 5 / np.sqrt(SEEDS)


def _groups_of_columns():
    by_term = {place: at for at, group in enumerate(groups(MANY)) for place in group.members}
    return np.repeat(list(dict(sorted(by_term.items())).values()), WIDTHS)


def test_outcomes_follow_their_probabilities_and_the_impossible_does_not_happen():
    probabilities = np.random.default_rng(2).exponential(size=(1, 64)).astype(np.float32)
    probabilities[0, ::3] = 0
    drawn = np.asarray(sampling.outcomes(probabilities, keys(1), 20_000))[0]
    counts = np.bincount(drawn, minlength=64)
    assert not counts[::3].any()
    possible = probabilities[0] > 0
    expected = probabilities[0, possible] / probabilities.sum(dtype=float) * len(drawn)
    assert stats.chisquare(counts[possible], expected * len(drawn) / expected.sum()).pvalue > 1e-4


def test_bits_begin_with_wire_0():
    np.testing.assert_array_equal(sampling.bits(np.array([[4, 1]]), 3), [[[1, 0, 0], [0, 0, 1]]])
