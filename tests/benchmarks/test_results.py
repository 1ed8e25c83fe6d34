"""Reading results: what stands in them, and files that are not results."""

import json

import pytest

from benchmarks.results import ResultError, geometric_mean, load, read
from tests.benchmarks.sample import LARGE, SMALL, sample


def test_comparisons_find_the_fastest_peer_of_each_cell():
    small, forward, large = read(sample()).comparisons()
    assert (small.cell, small.direction, small.own.median) == (SMALL, "both", 1e-3)
    assert (small.fastest.peer, small.ratio) == ("tensorcircuit-ng", 4.0)
    assert set(small.peers) == {"tensorcircuit-ng", "default.qubit"}
    assert (forward.direction, forward.ratio) == ("forward", 0.5)
    assert (large.cell, large.ratio) == (LARGE, 16.0)


def test_a_peer_that_was_wrong_is_wrong_in_its_own_cell_only():
    small, forward, large = read(sample()).comparisons()
    assert small.wrong == ("deepquantum",)
    assert forward.wrong == large.wrong == ()


def test_the_fastest_is_by_ratio_and_not_by_times_of_different_minutes():
    data = sample()
    data["benchmarks"][1]["stats"]["median"] = 1.0
    assert read(data).comparisons()[0].fastest.peer == "tensorcircuit-ng"


def test_geometric_mean():
    assert geometric_mean([4.0, 16.0]) == pytest.approx(8.0)
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a result of this suite"),
        (json.dumps({"benchmarks": [], "machine_info": {}, "version": "5.3"}), "not a result of this suite"),
        (json.dumps(sample() | {"suite": {"name": "another"}}), "not a result of this suite"),
        (json.dumps({k: v for k, v in sample().items() if k != "machine_info"}), "'machine_info' is missing"),
    ],
)
def test_files_that_are_no_results(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ResultError, match="cannot be read"):
        load(tmp_path / "a.json")
