"""The private methods of transformers' Trainer that checkpoints need."""

import ast
from pathlib import Path

import pytest
from transformers import Trainer

import hybrid
from hybrid._compat.trainer import HOOKS, HookedTrainer


def test_trainer_has_what_is_overridden():
    assert {name for name in vars(HookedTrainer) if name.startswith("_") and hasattr(Trainer, name)} >= {
        *HOOKS
    }
    assert {name for name in vars(HookedTrainer) if name.startswith("_") and "__" not in name} == {*HOOKS}


@pytest.mark.parametrize("name", HOOKS)
def test_a_trainer_without_it_is_refused(monkeypatch, name):
    """Its override would never be called, and a checkpoint be taken for whole that is not."""
    monkeypatch.delattr(Trainer, name)
    with pytest.raises(RuntimeError, match=rf"transformers must have Trainer\.{name}, .* constraints\.txt"):
        HookedTrainer()


def test_nobody_else_overrides_private_methods():
    for path in sorted(Path(hybrid.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            trainer = isinstance(node, ast.ClassDef) and any("Trainer" in ast.unparse(b) for b in node.bases)
            if trainer and path.parent.name != "_compat":
                assert not {*HOOKS} & {n.name for n in node.body if isinstance(n, ast.FunctionDef)}, path
