"""No figure of speed in README or docs that is not in the committed result."""

import re

import pytest

from benchmarks.documents import DOCUMENTS, ROOT, filled, outside, pictures_from
from benchmarks.report import blocks
from benchmarks.tables import SECTIONS

# A number and what speed is measured in. Sizes of batches, versions and percentages of other things pass.
SPEED = re.compile(
    r"\d[\d.,]*\s*(?:(?:ns|us|µs|ms|s|sec|seconds?|minutes?|samples/s|tokens/s|GFLOP/s|FLOP/s|GB/s)\b"
    r"|(?:x|times|%)\s+(?:as fast|faster|slower|longer|quicker)|-fold)"
)
MENTIONS = sorted({*DOCUMENTS, *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_are_those_of_the_committed_result(document):
    text = document.read_text()
    assert "<!-- benchmarks: " in text
    assert filled(text, blocks(), pictures_from(document)) == text, (
        "run python -m benchmarks.report benchmarks/results/cpu.json"
    )


@pytest.mark.parametrize("document", MENTIONS, ids=lambda path: path.name)
def test_no_figure_of_speed_stands_outside_the_blocks(document):
    found = SPEED.findall(outside(document.read_text()))
    assert not [match.group() for match in SPEED.finditer(outside(document.read_text()))], found


@pytest.mark.parametrize(
    "sentence",
    ["in 3.2 ms", "5 times faster", "2.5x slower", "1,200 samples/s", "30 % faster", "takes 0.045 s."],
)
def test_a_figure_of_speed_is_seen(sentence):
    assert SPEED.search(sentence)


@pytest.mark.parametrize(
    "sentence", ["float32", "right in 97 % of pictures", "4 qubits, batch 1024", "Python 3.11", "at 4 qubits"]
)
def test_other_numbers_pass(sentence):
    assert not SPEED.search(sentence)


def test_a_block_is_made_anew_and_the_rest_stays():
    text = "a\n<!-- benchmarks: machine -->\nold 3 ms\n<!-- end -->\nb\n"
    new = filled(text, {"machine": "new ![x]({results}/y.svg)"}, "../results")
    assert new == "a\n<!-- benchmarks: machine -->\nnew ![x](../results/y.svg)\n<!-- end -->\nb\n"
    assert outside(new) == "a\n\nb\n"


def test_a_block_of_no_section_is_an_error():
    with pytest.raises(KeyError, match="speed"):
        filled("<!-- benchmarks: speed -->\n<!-- end -->", dict.fromkeys(SECTIONS, ""), "")


def test_a_block_that_is_not_closed_hides_nothing():
    assert SPEED.search(outside("<!-- benchmarks: machine -->\n3 ms\n"))


def test_pictures_in_blocks_exist():
    for document in DOCUMENTS:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]*results/[^)]+)\)", document.read_text()):
            assert (document.parent / target).exists(), target
