"""The examples of a page of docs run, one after the other."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"
NEEDS = {
    "qasm": "openqasm3.parser", "cirq": "cirq", "keras": "keras", "qiskit": "qiskit_machine_learning",
}  # fmt: skip


# torch's own: forward mode, and torch.export
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("page", ["torch", "noise", "measurements", "qasm", "cirq", "keras", "qiskit"])
def test_examples(page, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # where it is imported for the first time
    monkeypatch.chdir(tmp_path)
    pytest.importorskip(NEEDS.get(page, "torch"))
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # which one of them sets
    torch.manual_seed(0)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL):
        exec(code, names)
