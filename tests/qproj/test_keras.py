"""The Keras layer on each backend. Keras chooses it when it is imported: all but one take a process."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras's own
def test_layer_here(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # as in `test_docs.py`, whichever imports it first
    pytest.importorskip("keras")
    from tests.qproj import keras_process

    keras_process.main(tmp_path)
    assert capsys.readouterr().out.endswith("torch")


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_layer(backend, tmp_path):
    for package in ("keras", backend):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.qproj.keras_process", tmp_path],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == backend


def test_without_keras_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    for name in [name for name in sys.modules if name.startswith("qproj.keras")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"qproj.keras needs keras, .* pip install 'qproj\[keras\]'"):
        import qproj.keras  # noqa: F401
