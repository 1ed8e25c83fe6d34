"""docs/extending.md, run as a package of somebody else's."""

import re
import sys
from pathlib import Path

import pytest
import torch

from hybrid.cli.connector import _Kind
from hybrid.evaluation.metrics import score_captions
from hybrid.model.connectors import build_connector, fresh_connector
from hybrid.model.extensions import installed

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The page's package, installed."""
    (tmp_path / "mine.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)))
    folder = tmp_path / "mine-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    points = re.sub(r"\[project\.entry-points\.\"(.*?)\"\]", r"[\1]", toml).replace('"', "")
    (folder / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    installed.cache_clear()
    yield
    installed.cache_clear()
    sys.modules.pop("mine", None)


@pytest.mark.usefixtures("package")
def test_the_page_runs():
    connector = build_connector(fresh_connector("mean", n_tokens=2), 6, 4)
    assert connector(torch.zeros(3, 6)).shape == (3, 2, 4)
    assert set(connector.learning_rates(0.1)) == {"linear"}
    assert score_captions(["a b", "c"], [["a"], ["b"]])["words_a_caption"] == 1.5
    assert _Kind(["quantum"]).convert("mean", None, None) == "mean"
    with pytest.raises(ValueError, match=r"one of quantum, classical, mean, but was 'men'\. Did you mean"):
        build_connector({"type": "men"}, 6, 4)


def test_without_it_its_names_are_unknown():
    with pytest.raises(ValueError, match=r"connector type must be one of quantum, classical, but"):
        build_connector({"type": "mean"}, 6, 4)
    assert "words_a_caption" not in score_captions(["a"], [["a"]])
