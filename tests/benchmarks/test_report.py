"""The report: tables and pictures from the JSON alone."""

import json

import pytest

from benchmarks import grid, plots, report
from benchmarks.documents import DOCUMENTS, RESULTS
from benchmarks.results import read
from benchmarks.tables import SECTIONS, sections
from benchmarks.writing import number, time
from tests.benchmarks.sample import sample


@pytest.fixture
def made():
    return sections(read(sample()))


def lines_with(text, *parts):
    return [line for line in text.splitlines() if all(part in line for part in parts)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5e-9, "1.50 ns"), (0.9996e-3, "1000 us"), (1e-3, "1.00 ms"), (0.0123, "12.3 ms"), (123.0, "123 s")],
)
def test_times_are_written_with_three_digits(seconds, text):
    assert time(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.234, "0.23"), (0.999, "1.0"), (2.44, "2.4"), (9.96, "10"), (363.2, "363")]
)
def test_plain_numbers(value, text):
    assert number(value) == text


def test_ratios(made):
    (small,) = lines_with(made["ratios"], "| RX + BasicEntangler | 4 |")
    assert "| 1.00 ms | 4.00 ms (tensorcircuit-ng) | 4.0 (3.6 to 4.4) |" in small
    assert "| 200 us | 100 us (tensorcircuit-ng) | 0.50 (0.45 to 0.55) |" in small
    assert "forward + backward: geometric mean 8.0 over 2 cells, worst 4.0" in made["ratios"]
    assert "forward: geometric mean 0.50 over 1 cells" in made["ratios"]


def test_a_wrong_peer_is_shown_as_wrong_and_an_absent_one_with_its_reason(made):
    head, _, small, *_ = made["every peer"].splitlines()
    columns = dict(zip(head.split(" | "), small.split(" | "), strict=True))
    assert columns["deepquantum |"] == "wrong |"
    assert columns["default.qubit"] == "9.0"
    assert lines_with(made["not timed"], "wrong", "values differed by 0.1")
    assert lines_with(made["not timed"], "skipped", "qulacs is not installed")


def test_the_other_sections(made):
    assert lines_with(
        made["machine"], "2026-01-02", "0123456789ab,", "2 cores of A processor", "torch 2.13.0"
    )
    assert lines_with(made["limits"], "round trip", "50%")
    assert lines_with(
        made["measured"], "| noise |", "| 1.00 ms | default.mixed | 8.00 ms (7.20 ms to", "| 8.0 (7.2 to"
    )
    assert lines_with(made["first calls"], "tensorcircuit-ng", "9.50 s", "2.00 ms")
    assert lines_with(made["memory"], "512.0 MiB", "768.0 MiB")
    assert lines_with(
        made["passes"], "| 4 | 32 | 4 | float32 | arithmetic | 100 us | 60% | 200 us", "| 30% |"
    )
    assert lines_with(made["strategies"], "fused-4 | dense | 25%")
    assert lines_with(made["throughput"], "8192")
    assert lines_with(made["caption"], "200 tokens/s")
    assert lines_with(made["caption"], "1.2% of the caption")
    assert lines_with(made["QCBM"], "300 us", "100 us", "9.73 us")


def test_a_busy_machine_is_owned_up_to(made):
    data = sample()
    assert "provisional" not in made["machine"]
    data["suite"]["machine"]["load_before"] = 1.2
    assert (
        "(load 1.2 before the suite began): these figures are provisional" in sections(read(data))["machine"]
    )


def test_a_choice_that_is_the_best_loses_nothing():
    data = sample()
    for entry in data["benchmarks"]:
        if entry["extra_info"]["kind"] == "strategy":
            entry["extra_info"]["ratio"] = {"median": 1.3, "low": 1.2, "high": 1.4, "rounds": 5}
    assert lines_with(SECTIONS["strategies"](read(data)), "fused-4 | dense | 0%")


def test_every_section_is_empty_without_rows_and_none_fails():
    data = sample() | {"benchmarks": []}
    data["suite"]["not_timed"] = []
    made = sections(read(data))
    assert [name for name, text in made.items() if text] == ["machine"]


def test_pictures_have_log_axes_and_every_peer(tmp_path):
    result = read(sample())
    for name in ("qubits", "batch", "roofline"):
        axes = plots.PICTURES[name](result).axes
        assert all(ax.get_yscale() == "log" for ax in axes), name
    assert plots.PICTURES["first-call"](result).axes[0].get_xscale() == "log"
    legend = {text.get_text() for text in plots.qubits(result).legends[0].get_texts()}
    assert legend == {"qproj", "tensorcircuit-ng", "default.qubit"}


def test_looks_tell_peers_apart():
    from benchmarks.peers import PEERS

    assert set(plots._LOOKS) == set(PEERS)
    assert (
        len(set(plots._LOOKS.values())) == len({colour for _, colour in plots._LOOKS.values()}) == len(PEERS)
    )


def test_report_writes_its_folder_and_leaves_documents_alone(tmp_path, monkeypatch):
    before = [document.read_text() for document in DOCUMENTS]
    source = tmp_path / "a.json"
    source.write_text(json.dumps(sample()))
    assert report.main([str(source), "--output", str(tmp_path / "out")]) == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"cpu-{name}.{ending}" for name in plots.PICTURES for ending in ("svg", "png")}
    assert written == {"cpu.json", "cpu.md"} | pictures
    assert [document.read_text() for document in DOCUMENTS] == before
    page = (tmp_path / "out" / "cpu.md").read_text()
    assert "](cpu-roofline.svg)" in page
    assert "{results}" not in page
    # Made from the JSON alone: again, from the copy.
    monkeypatch.setattr(plots, "PICTURES", {})
    assert report.main([str(tmp_path / "out" / "cpu.json"), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "cpu.md").read_text() == page


def test_another_grid_has_files_and_blocks_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "PICTURES", {})
    other = sample()
    other["suite"]["grid"] = "sizes"
    for data in (sample(), other):
        source = tmp_path / "a.json"
        source.write_text(json.dumps(data))
        report.write(source, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.json")} == {"cpu.json", "cpu-sizes.json"}
    assert "](cpu-sizes-roofline.svg)" in (tmp_path / "out" / "cpu-sizes.md").read_text()
    monkeypatch.setattr(report, "RESULTS", tmp_path / "out")
    made = report.blocks()
    assert set(made) == {*SECTIONS, *(f"sizes: {name}" for name in SECTIONS)}
    assert made["sizes: headline"] == made["headline"]
    assert made["headline"].startswith("Against the fastest peer of each cell, forward + backward: geometric")
    assert "grid `sizes`" in made["sizes: machine"]


def test_the_first_call_of_every_circuit_can_be_drawn():
    for workload in grid.TITLES:
        assert plots._short(grid.Cell(workload, 4, 32)).endswith(", 4 qubits, batch 32")


def test_report_of_another_suite_is_one_line(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert report.main([str(tmp_path / "a.json"), "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("report: ")
    assert error.count("\n") == 1


def test_the_committed_report_is_that_of_the_committed_result():
    from benchmarks.results import load

    for page in RESULTS.glob("*.md"):
        assert report.markdown(load(page.with_suffix(".json"))) == page.read_text(), page
    assert list(RESULTS.glob("*.md"))
