import threading
from contextlib import closing

import pytest

import hybrid
from hybrid.inference.streaming import _on_one_line, stream_caption


@pytest.mark.parametrize(
    "pieces",
    [["a ", "large\n", "red ", "", "circle"], ["  a", " b", " ", "c "], ["a", "b", "\n\n", " c"], [" "], []],
)
def test_pieces_make_one_line(pieces):
    assert "".join(_on_one_line(pieces)) == " ".join("".join(pieces).split())


def test_pieces_make_the_caption_and_come_before_its_end(tiny, pictures):
    wanted = hybrid.caption(pictures[0], model=tiny, min_new_tokens=100, max_new_tokens=100)
    pieces = list(stream_caption(*tiny, pictures[0], min_new_tokens=100, max_new_tokens=100))
    assert "".join(pieces) == wanted
    assert len(pieces) > 3


def test_who_stops_early_stops_the_model(tiny, pictures):
    model, processor = tiny
    steps = []
    model.language_model.register_forward_hook(lambda *_: steps.append(1))
    words = stream_caption(model, processor, pictures[0], max_new_tokens=100, min_new_tokens=100)
    next(words)
    words.close()
    assert len(steps) < 100
    assert not [thread for thread in threading.enumerate() if "generate" in thread.name]


@pytest.mark.parametrize("where", ["start", "join"])
def test_a_signal_between_two_captions_leaves_no_thread_to_be_cut_off(tiny, pictures, monkeypatch, where):
    """What a signal raises in start or join, too, stops the model; Python waits for it before it ends."""
    model, processor = tiny
    threads, steps = [], []

    class Interrupted(threading.Thread):
        def start(self):
            threads.append(self)
            super().start()
            if where == "start":
                raise KeyboardInterrupt

        def join(self, timeout=None):
            if where == "join":
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr("hybrid.inference.streaming.Thread", Interrupted)
    model.language_model.register_forward_hook(lambda *_: steps.append(1))
    words = stream_caption(model, processor, pictures[0], max_new_tokens=100, min_new_tokens=100)
    with pytest.raises(KeyboardInterrupt), closing(words):
        next(words)
    (thread,) = threads
    assert not thread.daemon
    assert thread.is_alive() is False or where == "join"
    threading.Thread.join(thread, 60)
    assert not thread.is_alive()
    assert len(steps) < 100


def test_what_goes_wrong_is_raised_to_the_caller(tiny, pictures):
    model, processor = tiny

    def broken(*_):
        raise RuntimeError("out of luck")

    model.language_model.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="luck"):
        list(stream_caption(model, processor, pictures[0]))
    with pytest.raises(ValueError, match="num_beams"):
        next(stream_caption(model, processor, pictures[0], num_beams=2))
    with pytest.raises(ValueError, match="128 tokens"):
        next(stream_caption(model, processor, pictures[0], max_new_tokens=500))
