"""The guard: ratios that fall fail, times that change do not."""

import json

import pytest

from benchmarks.compare import compare, main
from benchmarks.results import ResultError, read
from tests.benchmarks.sample import LARGE, sample, scaled


def run(tmp_path, old, new):
    for name, data in (("old", old), ("new", new)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    return main([str(tmp_path / "old.json"), str(tmp_path / "new.json")])


def test_the_same_result_passes(tmp_path, capsys):
    assert run(tmp_path, sample(), sample()) == 0
    assert "all 3: +0% in the geometric mean" in capsys.readouterr().out


@pytest.mark.parametrize(("ratio", "code"), [(1.5, 0), (0.76, 0), (0.74, 1)])
def test_a_ratio_may_fall_by_a_quarter(tmp_path, capsys, ratio, code):
    assert run(tmp_path, sample(), scaled(sample(), ratio=ratio)) == code
    assert bool(capsys.readouterr().err) == bool(code)


def test_a_slower_machine_passes(tmp_path):
    assert run(tmp_path, sample(), scaled(sample(), seconds=10.0)) == 0


def test_another_kind_of_processor_is_said(tmp_path, capsys):
    old, new = sample(), sample()
    old["machine_info"]["cpu"]["flags"] = ["avx2", "avx512f", "fma"]
    new["machine_info"]["cpu"]["flags"] = ["avx2"]
    assert run(tmp_path, old, new) == 0
    assert "only one of the processors has avx512f, which moves ratios" in capsys.readouterr().err


def test_one_cell_that_fell_is_named():
    data = sample()
    (entry,) = (
        e for e in data["benchmarks"]
        if e["extra_info"]["kind"] == "layer" and e["extra_info"].get("ratio", {}).get("median") == 16.0
    )  # fmt: skip
    entry["extra_info"]["ratio"]["median"] = 8.0
    _, (line,) = compare(read(sample()), [read(data)])
    assert str(LARGE) in line
    assert "16.00 -> 8.00 (-50%)" in line


def test_of_several_runs_the_median_counts(tmp_path, capsys):
    files = []
    for i, ratio in enumerate((1.0, 0.5, 0.9, 0.6, 1.1)):
        files.append(tmp_path / f"{i}.json")
        files[-1].write_text(json.dumps(scaled(sample(), ratio=ratio)))
    old, slow, fine, slower, fast = map(str, files)
    assert main([old, slow, fine, fast]) == 0
    assert "all 3: -10% in the geometric mean" in capsys.readouterr().out
    assert main([old, slow, fine, slower]) == 1


def test_another_peer_that_got_faster_is_not_the_layers_fault():
    data = sample()
    for entry in data["benchmarks"]:
        if entry["extra_info"].get("peer") == "default.qubit":
            entry["extra_info"]["ratio"]["median"] = 1.0
    assert compare(read(sample()), [read(data)])[1] == []


def test_a_peer_that_is_wrong_now_fails():
    data = sample()
    data["suite"]["not_timed"][0]["peer"] = "tensorcircuit-ng"
    _, (line,) = compare(read(sample()), [read(data)])
    assert "results disagree now" in line


def test_nothing_in_common():
    data = sample()
    data["benchmarks"] = [e for e in data["benchmarks"] if e["extra_info"]["kind"] != "layer"]
    with pytest.raises(ResultError, match="nothing to compare"):
        compare(read(sample()), [read(data)])


def test_another_suites_file_is_one_line(tmp_path, capsys):
    assert run(tmp_path, sample(), {"benchmarks": []}) == 2
    error = capsys.readouterr().err
    assert error.startswith("compare: ")
    assert "new.json is not a result of this suite" in error
    assert error.count("\n") == 1
