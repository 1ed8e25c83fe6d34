import json
import pickle
import shutil
import sys

import pytest

import hybrid
from hybrid.inference.captioning import caption_files, caption_pictures
from hybrid.loading.compose import compose
from hybrid.model.errors import HybridError, ImageError, ModelError, OptionError
from tests.hybrid.conftest import one_line


def test_errors_have_what_they_are_about_and_why_apart():
    error = ModelError("owner/name", "is gone; choose another")
    assert (error.name, error.reason) == ("owner/name", "is gone; choose another")
    assert str(error) == "model owner/name: is gone; choose another"
    assert str(ImageError("a.png", "is empty")) == "a.png: is empty"
    assert str(OptionError("batch_size", "must be at least 1")) == "batch_size must be at least 1"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.name, type(again)) == (str(error), error.name, ModelError)
    assert HybridError("all of it").reason == "all of it"


@pytest.mark.parametrize("name", ["CheckpointError", "DataError", "ImageError", "ModelError", "OptionError"])
def test_all_errors_are_one_family(name):
    assert issubclass(getattr(hybrid, name), hybrid.HybridError)
    assert issubclass(hybrid.HybridError, ValueError)


def test_a_colon_in_a_name_does_not_part_it(tmp_path):
    path = tmp_path / "a: b.png"
    with pytest.raises(ImageError) as caught:
        hybrid.open_image(path)
    assert (caught.value.name, caught.value.reason) == (str(path), "no such file; check the path")


def test_a_sentencepiece_tokenizer_names_the_package_that_reads_it(parts, tmp_path, monkeypatch):
    """Not tiktoken, which transformers asks for last."""
    shutil.copytree(parts / "llama", tmp_path / "llama")
    for file in (tmp_path / "llama").glob("tokenizer*"):
        file.unlink()
    (tmp_path / "llama" / "tokenizer.model").write_bytes(b"\x0a\x00")
    monkeypatch.setattr("hybrid.loading.compose._installed", lambda _: False)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(ModelError, match=r"tokenizer cannot be loaded.*; pip install sentencepiece$"):
        compose(parts / "clip", tmp_path / "llama")


def test_what_is_not_allowed_is_an_option_error_and_what_breaks_is_not(tiny, pictures):
    for options in (
        {"max_new_tokens": 0},
        {"batch_size": 0},
        {"num_return_sequences": 2},
        {"num_return_sequences": 3, "num_beams": 2},
        {"prompt": "<image><image>"},
        {"chat": True},
    ):
        with pytest.raises(OptionError):
            hybrid.caption(pictures[0], model=tiny, **options)
    model, _ = tiny

    def broken(*_):
        raise ValueError("within")

    handle = model.language_model.register_forward_hook(broken)
    with pytest.raises(ValueError, match="within") as caught:
        hybrid.caption(pictures[0], model=tiny)
    handle.remove()
    assert not isinstance(caught.value, HybridError)


def test_several_captions_stay_with_their_picture(tiny, pictures):
    options = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 4}
    both = hybrid.caption(pictures[:2], model=tiny, **options)
    alone = [hybrid.caption(picture, model=tiny, **options) for picture in pictures[:2]]
    assert both == alone
    assert [len(said) for said in both] == [3, 3]
    best = hybrid.caption(pictures[:2], model=tiny, num_beams=3, max_new_tokens=4)
    assert [said[0] for said in both] == best
    assert list(caption_pictures(*tiny, pictures[:2], **options)) == both
    results = list(caption_files(*tiny, pictures[:2], **options))
    assert [result.captions for result in results] == both
    assert [result.caption for result in results] == best


def test_the_command_writes_several_captions_of_each_picture_in_every_format(run, scenes, tmp_path):
    paths = [path for path, _ in scenes[:2]]
    several = ["--beams", "2", "--captions", "2"]
    wanted = hybrid.caption(paths, num_beams=2, num_return_sequences=2)
    code, out, _ = run("caption", *paths, *several)
    rows = [f"{path}: {said}" for path, texts in zip(paths, wanted, strict=True) for said in texts]
    assert (code, out.splitlines()) == (0, rows)
    assert run("caption", paths[0], *several)[1].splitlines() == wanted[0]
    _, out, _ = run("caption", *paths, *several, "--format", "jsonl")
    assert [json.loads(line)["captions"] for line in out.splitlines()] == wanted
    _, out, _ = run("caption", *paths, *several, "--format", "csv")
    assert len(out.splitlines()) == 5
    code, out, err = run("caption", paths[0], "--captions", "2")
    assert (code, out) == (2, "")
    one_line(err, "--captions 2 needs --beams 2")


def test_a_fault_within_captioning_is_no_wrong_usage(run, scenes, monkeypatch):
    def broken(*_, **__):
        raise ValueError("within")

    monkeypatch.setattr("hybrid.inference.prompting.Question.answers", broken)
    code, _, err = run("caption", scenes[0][0])
    assert code == 1
    one_line(err, "within")
    code, _, err = run("caption", scenes[0][0], "--chat")
    assert code == 2
    one_line(err, "chat template")
