"""What the documents say is run: code blocks, the example's caption, the figures' source."""

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest

import hybrid
from hybrid.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = (ROOT / "docs").glob("*.md")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_ten_lines_run_and_draw_what_is_shown(capsys):
    (code,) = (block for block in BLOCKS if "import qproj" in block)
    assert len(code.strip().splitlines()) <= 12
    exec(code, {})
    drawn = capsys.readouterr().out.splitlines()
    shown = re.search(r"```\n(0: .*?)```", README, re.DOTALL).group(1).splitlines()
    for line, wanted in zip(shown[:-1], drawn[:-1], strict=True):
        assert wanted.startswith(line.removesuffix(" ...").rstrip("─")), line
    assert drawn[-1] == shown[-1]


def test_captioner_code_runs(tmp_path, monkeypatch, pictures):
    (code,) = (block for block in BLOCKS if "hybrid.caption(" in block)
    for name in ("img.jpg", "a.png", "b.png"):
        pictures[0].save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    exec(code, {})


def test_compose_code_runs_on_models_of_that_kind(parts):
    (code,) = (block for block in BLOCKS if "hybrid.compose(" in block)
    code = code.replace("openai/clip-vit-base-patch32", str(parts / "clip"))
    code = code.replace("TinyLlama/TinyLlama-1.1B-Chat-v1.0", str(parts / "llama"))
    names = {"hybrid": hybrid}
    exec(code, names)
    assert names["model"].connector.projection.n_qubits == 4


def test_the_readmes_picture_gets_the_readmes_caption():
    caption = re.search(r"\$ hybrid caption docs/example.png`<br>`(.*?)`", README).group(1)
    assert hybrid.caption(ROOT / "docs" / "example.png") == caption


def test_pennylane_page_runs(capsys):
    """Its blocks are one program."""
    text = (ROOT / "docs" / "pennylane.md").read_text()
    names = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    printed = capsys.readouterr().out
    assert set(names["bell"]()) == {"00", "11"}
    assert "expval: Z0, Z1" in printed
    assert "that of RX on wires [0] is a product of inputs and weights" in printed


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(f"docs/{p.name}" for p in DOCS)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / document).parent / target).exists(), target


def test_paths_and_commands_that_documents_name_exist():
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"`((?:qproj|hybrid|tests|docs|examples|benchmarks)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for command in re.findall(r"hybrid (caption|train|\w+) --", text):
        assert command in COMMANDS
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)", text):
        assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(example, capsys, monkeypatch):
    packages = {
        "exchange_circuits": "cirq", "keras_layer": "keras", "qiskit_network": "qiskit_machine_learning",
    }  # fmt: skip
    needed = packages.get(example.stem, "torch")
    if find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # which one of them would set for good
    result = runpy.run_path(str(example))["main"]()
    assert result < 0.05
    assert "expval" in capsys.readouterr().out
