"""What is measured: peers that agree with the layer, circuits as described, cells that are refused."""

import pytest
import torch

from benchmarks.grid import BASIC, GRIDS, QCBM, STRONG, Cell
from benchmarks.peers import OWN, PEERS, chosen, installed, why_not
from benchmarks.subjects import Subject, disagreement, too_large
from benchmarks.workloads import PUBLISHED_QCBM, circuit

# TensorCircuit takes seconds to compile anything.
QUICK_PEERS = [name for name in PEERS if name not in (OWN, "tensorcircuit-ng")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "cell", [Cell(BASIC, 3, 2), Cell(STRONG, 3, 2, 2, "float64"), Cell(QCBM, 3, 2, 2)], ids=str
)
@pytest.mark.parametrize("peer", QUICK_PEERS)
def test_peers_agree_with_the_layer(peer, cell):
    if installed(peer) is None:
        pytest.skip(f"{peer} is not installed")
    own, other = Subject(OWN, cell), Subject(peer, cell)
    for direction in ("both", "forward") if PEERS[peer].gradients else ("forward",):
        results = other.results(direction)
        assert set(results) == set(own.results(direction))
        assert disagreement(results, own.results(direction), cell.dtype) is None


@pytest.mark.parametrize("peer", ["default.qubit", "lightning.qubit", "qulacs"])
def test_double_precision_peers_compute_in_it(peer):
    """But for the rounding of values to single precision where they are handed to torch."""
    if installed(peer) is None:
        pytest.skip(f"{peer} is not installed")
    cell = Cell(STRONG, 6, 8, 3, "float64")
    values, expected = (Subject(name, cell).results("forward")["values"] for name in (peer, OWN))
    assert float((values - expected).abs().max()) < 2**-24


def test_a_subject_gives_gradients_of_inputs_and_weights():
    results = Subject(OWN, Cell(STRONG, 3, 2)).results("both")
    assert {name: tuple(tensor.shape) for name, tensor in results.items()} == {
        "values": (2, 3), "gradient of the inputs": (2, 3), "gradient of the weights": (27,)
    }  # fmt: skip
    assert all(tensor.abs().max() > 0 for tensor in results.values())


@pytest.mark.parametrize("name", ["values", "gradient of the inputs", "gradient of the weights"])
def test_a_result_that_is_a_little_off_disagrees(name):
    expected = Subject(OWN, Cell(BASIC, 3, 2)).results("both")
    off = {key: tensor.clone() for key, tensor in expected.items()}
    assert disagreement(off, expected, "float32") is None
    off[name][-1] += 1e-3
    assert disagreement(off, expected, "float32").startswith(f"{name} differed by 0.001")
    off[name] = off[name][:1]
    assert "shape" in disagreement(off, expected, "float32")
    off[name] = torch.full_like(expected[name], torch.nan)
    assert "nan" in disagreement(off, expected, "float32")


def test_double_precision_is_held_to_more():
    expected = {"values": torch.ones(3)}
    off = {"values": torch.ones(3) + 1e-5}
    assert disagreement(off, expected, "float32") is None
    assert disagreement(off, expected, "float64")


def test_qcbm_is_the_published_circuit():
    made = circuit(Cell(QCBM, 4, 1, 9, "float64"))
    names = [gate.name for gate in made.gates]
    layer = ["RZ", "RX", "RZ"] * 4 + ["CNOT"] * 4
    assert names == ["RX"] * 4 + ["RZ"] * 4 + ["CNOT"] * 4 + 9 * layer + ["RZ", "RX"] * 4
    assert [gate.wires for gate in made.gates if gate.name == "CNOT"][:4] == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert made.weight_shape == (4 + 9 * 12 + 8,)


def test_every_qcbm_cell_has_a_published_time():
    for grid in GRIDS.values():
        assert all((cell.n_qubits, cell.batch) in PUBLISHED_QCBM for cell in grid.qcbm)


@pytest.mark.parametrize("peer", [OWN, "default.qubit"])
def test_a_cell_too_large_is_refused_with_its_size(peer):
    cell = Cell(BASIC, 20, 1)
    assert too_large(cell, peer, available=1 << 40) is None
    reason = too_large(cell, peer, available=1 << 20)
    assert "MiB" in reason
    assert reason.endswith("1.0 MiB of memory is free")


def test_memory_grows_with_everything_that_a_state_is_made_of():
    # Just enough for the small cell is too little for any that is larger in one way.
    small = Cell(BASIC, 10, 8)
    enough = next(size for size in range(1 << 16, 1 << 30, 1 << 16) if too_large(small, OWN, size) is None)
    for larger in (
        Cell(BASIC, 11, 8),
        Cell(BASIC, 10, 16),
        Cell(BASIC, 10, 8, 30),
        Cell(BASIC, 10, 8, 3, "float64"),
    ):
        assert too_large(larger, OWN, enough)


def test_a_pass_counts_its_work_and_runs():
    from benchmarks.passes import Passes

    passes = Passes(Cell(BASIC, 6, 8))
    size = 2 * 2**passes.wires
    assert passes.rows == 8
    assert passes.wires * passes.n_blocks == 6
    # A product of a matrix with the state as a matrix, which is read and written once.
    assert passes.flops == 2 * size * size * (2 * 2**6 * 8 / size)
    assert passes.bytes == 2 * 4 * 2 * 2**6 * 8
    rounds, near = passes.measured({"min_rounds": 2, "max_time": 0.0})
    assert len(rounds.seconds) == 2
    assert 0 < near["product_fraction"] < 2
    assert near["limit"] in ("arithmetic", "memory")
    # Blocks are orthogonal, and moves change nothing but the order.
    before, *_ = passes._given
    for after in (passes.products(), passes.whole()):
        torch.testing.assert_close(float((after**2).sum()), float((before**2).sum()), rtol=1e-4, atol=0)


def test_memory_of_a_peer_grows_with_its_gates():
    from benchmarks.peers import states_kept

    assert (
        states_kept("default.qubit", 100) > states_kept("deepquantum", 100) > states_kept("qulacs", 100) == 0
    )
    # What takes long to compile keeps more for every gate.
    assert states_kept("tensorcircuit-ng", 200) > 4 * states_kept("tensorcircuit-ng", 100)


def reason(peer, cell, direction="both", device="cpu", patient=False, n_gates=10):
    return why_not(peer, cell, n_gates, direction, device, patient)


def test_reasons_why_a_peer_is_not_measured(monkeypatch):
    from benchmarks import peers

    small, many = Cell(BASIC, 4, 1), Cell(BASIC, 4, 1024)
    monkeypatch.setattr(peers, "version", lambda _: "1.0")
    assert reason("qulacs", small, "forward") is None
    assert "forward only" in reason("qulacs", small)
    assert "does not run on cuda" in reason("qulacs", small, "forward", device="cuda")
    assert "float32 only" in reason("tensorcircuit-ng", Cell(BASIC, 4, 1, 3, "float64"))
    assert "one sample at a time" in reason("lightning.qubit", many)
    assert reason("lightning.qubit", many, patient=True) is None
    assert "compiles 500 gates" in reason("tensorcircuit-ng", small, n_gates=500)
    assert "many seconds" in reason("qiskit-ml", Cell(BASIC, 8, 1))
    assert reason(OWN, many) is None


def test_an_absent_peer_is_named_with_the_way_out(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from benchmarks import peers

    def absent(_):
        raise PackageNotFoundError

    monkeypatch.setattr(peers, "version", absent)
    assert reason("deepquantum", Cell(BASIC, 4, 1)) == (
        "deepquantum is not installed: pip install -c constraints.txt -e '.[bench]'"
    )


def test_chosen_peers():
    assert chosen(None) == list(PEERS)
    assert chosen("qulacs") == [OWN, "qulacs"]
    assert chosen("qulacs, default.qubit") == [OWN, "default.qubit", "qulacs"]
    with pytest.raises(ValueError, match="'cirq'"):
        chosen("cirq")
