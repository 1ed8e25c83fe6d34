"""The examples of docs/torch.md run, one after the other."""

import re
from pathlib import Path

import pytest
import torch

TEXT = (Path(__file__).parents[2] / "docs" / "torch.md").read_text()


# torch's own: forward mode, and torch.export
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples(monkeypatch):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # which one of them sets
    torch.manual_seed(0)
    torch.compiler.reset()
    names = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
