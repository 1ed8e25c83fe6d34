import io
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import hybrid
from hybrid.inference.captioning import caption_files, caption_pictures
from hybrid.inference.prompting import Question
from hybrid.loading.hub import _reachable
from hybrid.loading.load import use_backend
from hybrid.loading.names import ModelError


def test_one_gives_text_and_many_give_a_list(tiny, pictures, tmp_path):
    path = tmp_path / "a.png"
    pictures[0].save(path)
    one = hybrid.caption(pictures[0], model=tiny)
    assert isinstance(one, str)
    stream = io.BytesIO(path.read_bytes())
    assert hybrid.caption([pictures[0], path, str(path), stream], model=tiny) == [one] * 4
    assert hybrid.caption([], model=tiny) == []


def test_captions_come_batch_by_batch(tiny, pictures):
    """A batch is captioned before the next picture is read: memory does not grow with a folder."""
    read = []

    def source():
        for i, picture in enumerate(pictures):
            read.append(i)
            yield picture

    captions = caption_pictures(*tiny, source(), batch_size=2, max_new_tokens=3)
    next(captions)
    assert read == [0, 1]
    assert len(list(captions)) == 4


def test_files_come_batch_by_batch_and_errors_at_once(tiny, pictures, tmp_path):
    """Ahead are two batches to read and one to see; and a thousand bad files do not wait for a good one."""
    pictures[0].save(tmp_path / "good.png")
    taken = []

    def sources(name):
        for i in range(100):
            taken.append(i)
            yield tmp_path / name

    for name, most in (("good.png", 2 * 3 + 2 * 3 + 1), ("none.png", 2 * 3 + 2 * 1 + 1)):
        taken.clear()
        results = caption_files(*tiny, sources(name), batch_size=3, max_new_tokens=3)
        first = next(results)
        assert first.image == str(tmp_path / name)
        assert len(taken) <= most
        results.close()
    assert first.error == "no such file; check the path"


@pytest.mark.parametrize("small", [True, False])
def test_files_are_captioned_as_pictures_are(tiny, pictures, tmp_path, small, monkeypatch):
    monkeypatch.setattr("hybrid.inference.captioning.is_small", lambda _: small)
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    wanted = hybrid.caption(pictures, model=tiny)
    for batch_size in (1, 2, 16):
        results = list(caption_files(*tiny, [*paths, pictures[0]], batch_size=batch_size))
        assert [result.caption for result in results] == [*wanted, wanted[0]]
        assert [result.image for result in results] == [*map(str, paths), "the picture"]


@pytest.mark.parametrize("small", [True, False])
def test_a_small_model_looks_while_it_speaks_in_a_thread_each(tiny, pictures, small, monkeypatch):
    """Another uses all threads for one of the two; and nobody else's are changed."""
    monkeypatch.setattr("hybrid.inference.threads._SMALL", 10**9 if small else 0)
    second, threads, order = threading.Event(), set(), []
    features, answers = Question.features, Question.answers

    def see(self, pixels):
        order.append("see")
        threads.add(torch.get_num_threads())
        if order.count("see") == 2:
            second.set()
        return features(self, pixels)

    def speak(self, seen):
        assert not small or second.wait(10)
        order.append("speak")
        threads.add(torch.get_num_threads())
        return answers(self, seen)

    monkeypatch.setattr(Question, "features", see)
    monkeypatch.setattr(Question, "answers", speak)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        results = caption_files(*tiny, pictures[:3], batch_size=1, max_new_tokens=3)
        for _ in results:
            assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
    assert threads == {1 if small else 3}
    assert order[:3] == (["see", "see", "speak"] if small else ["see", "speak", "see"])


def test_too_long_for_the_context(tiny, pictures):
    with pytest.raises(ValueError, match=r"128 tokens.*takes \d+.*is 500"):
        hybrid.caption(pictures[0], model=tiny, max_new_tokens=500)
    with pytest.raises(ValueError, match=r"takes \d{3} "):
        hybrid.caption(pictures[0], model=tiny, prompt="word " * 100)


@pytest.mark.parametrize("name", ["max_new_tokens", "batch_size"])
def test_numbers_below_one(tiny, pictures, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but was 0"):
        hybrid.caption(pictures[0], model=tiny, **{name: 0})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"max_new_tokens": 2.5}, "max_new_tokens must be an int, but was 2.5"),
        ({"batch_size": True}, "batch_size must be an int, but was True"),
        ({"num_beams": 0}, "num_beams must be at least 1, but was 0"),
        ({"num_return_sequences": 0}, "num_return_sequences must be at least 1, but was 0"),
        ({"prompt": ["a", "b"]}, "prompt must be one text"),
        ({"pixel_values": torch.zeros(1)}, "pixel_values must be left out"),
        ({"return_dict_in_generate": True}, "return_dict_in_generate must be left out"),
        ({"max_length": 3}, "max_length must be left out"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_options_that_mean_nothing_or_are_not_the_callers_are_refused(tiny, pictures, option, message):
    with pytest.raises(hybrid.OptionError, match=message):
        hybrid.caption(pictures[0], model=tiny, **option)


def test_what_is_no_pair_or_picture_is_refused_whatever_it_is(tiny, pictures):
    for model in (tiny[0], tiny[::-1], tiny[:1], 5):
        with pytest.raises(hybrid.OptionError, match=r"what hybrid\.load returns, \(model, processor\)"):
            hybrid.caption(pictures[0], model=model)
    for images in (torch.zeros(3, 8, 8), b"GIF89a", None, [None]):
        with pytest.raises(hybrid.ImageError, match="is no path, binary stream or picture of PIL"):
            hybrid.caption(images, model=tiny)


def test_a_compiled_model_says_the_same(tiny, pictures):
    pair = torch.compile(tiny[0], backend="eager"), tiny[1]
    said = hybrid.caption(pictures, model=pair, max_new_tokens=3)
    assert said == hybrid.caption(pictures, model=tiny, max_new_tokens=3)


def test_generation_options_reach_generate(tiny, pictures):
    torch.manual_seed(0)
    sampled = {
        hybrid.caption(pictures[0], model=tiny, do_sample=True, temperature=5.0, max_new_tokens=8)
        for _ in range(4)
    }
    assert len(sampled) > 1


@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit"])
def test_another_backend_gives_the_same_tokens(tiny, pictures, backend):
    model, processor = tiny
    inputs = processor(images=pictures)
    wanted = model(**inputs).vision_tokens
    use_backend(model, backend)
    torch.testing.assert_close(model(**inputs).vision_tokens, wanted, atol=1e-5, rtol=1e-4)


def test_a_backend_needs_a_circuit(parts):
    model, _ = hybrid.compose(parts / "clip", parts / "llama", {"type": "classical"})
    with pytest.raises(ValueError, match="classical connector has no circuit"):
        use_backend(model, "jax")


def test_what_is_no_model(tmp_path, parts):
    with pytest.raises(ModelError, match="did you mean scenes-mini"):
        hybrid.load("scenes-mimi")
    (tmp_path / "empty").mkdir()
    for name in ("x" * 5000, "x/" + "y" * 5000):
        with pytest.raises(ModelError, match="x"):
            hybrid.load(name)
    with pytest.raises(ModelError, match=r"no config\.json"):
        hybrid.load(tmp_path / "empty")
    with pytest.raises(ModelError, match="'llama' model"):
        hybrid.load(parts / "llama")
    (tmp_path / "empty" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        hybrid.load(tmp_path / "empty")


def test_whether_the_hub_can_be_reached_is_known_at_once(monkeypatch):
    monkeypatch.setattr("hybrid.loading.hub.getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert _reachable(f"http://127.0.0.1:{port}")
    assert not _reachable(f"http://127.0.0.1:{port}")


def test_a_model_in_the_hubs_cache_loads_without_a_network(tiny_folder, tmp_path, monkeypatch, pictures):
    """The layout the hub's client writes: refs/main names a commit, snapshots/COMMIT holds the files."""
    cache = tmp_path / "cache"
    repository = cache / "models--somebody--captioner"
    shutil.copytree(tiny_folder, repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    for module in ("huggingface_hub.constants", "huggingface_hub.file_download", "transformers.utils.hub"):
        for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE"):
            monkeypatch.setattr(f"{module}.{name}", str(cache), raising=False)
    monkeypatch.setattr("hybrid.loading.hub._reachable", lambda *_: False)
    wanted = hybrid.caption(pictures, model=tiny_folder)
    assert hybrid.caption(pictures, model="somebody/captioner") == wanted


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"type": "quantm"}, "'quantum'"),
        ({"type": "classical", "n_qubits": 3}, "n_qubits"),
        ({}, "quantum, classical"),
    ],
)
def test_what_is_no_connector(parts, spec, word):
    from hybrid.model.connectors import build_connector

    with pytest.raises(ValueError, match=word):
        build_connector(spec, 8, 8)
