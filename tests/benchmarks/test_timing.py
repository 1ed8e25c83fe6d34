"""How rounds are gathered, on a clock of the test's own."""

import gc

import pytest

from benchmarks import timing
from benchmarks.recording import ratio
from benchmarks.timing import Rounds, interleaved


class Clock:
    """Time passes only when a call says so."""

    def __init__(self):
        self.now = 0.0
        self.called = []

    def perf_counter(self):
        return self.now

    def call(self, name, seconds):
        def call():
            self.called.append(name)
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_rounds_alternate(clock):
    a, b = interleaved([clock.call("a", 0.03), clock.call("b", 0.015)], min_rounds=3, max_time=0.0)
    # Two calls each to see how long one takes, then rounds of at least a clock's grain, one more call before.
    assert "".join(clock.called) == "aabb" + 3 * "aabbb"
    assert a == Rounds(pytest.approx([0.03] * 3), 1)
    assert b == Rounds(pytest.approx([0.015] * 3), 2)


def test_rounds_go_on_until_the_time_is_over(clock):
    (rounds,) = interleaved([clock.call("a", 0.125)], min_rounds=2, max_time=1.25)
    assert len(rounds.seconds) == 10  # calls that take long are made no more often than they are timed


def test_slow_calls_are_made_less_often(clock):
    fast, slow = interleaved([clock.call("a", 0.001), clock.call("b", 2.0)], min_rounds=6, max_time=1.0)
    assert len(slow.seconds) == len(fast.seconds) == 2


def test_what_the_last_side_left_behind_does_not_count(clock):
    class Cold:
        """Takes longer after another's call."""

        def __call__(self):
            clock.call("b", 0.05 if clock.called[-1:] != ["b"] else 0.01)()

    _, cold = interleaved([clock.call("a", 0.02), Cold()], min_rounds=3, max_time=0.0)
    assert cold == Rounds(pytest.approx([0.01] * 3), 4)


def test_very_slow_calls_are_made_once(clock):
    fast, slow = interleaved([clock.call("a", 0.001), clock.call("b", 60.0)], min_rounds=6, max_time=1.0)
    assert slow == Rounds([60.0], 1)
    assert fast == Rounds(pytest.approx([0.001]), 1)
    assert clock.called.count("b") == 1


def test_the_garbage_collector_waits_and_comes_back(clock):
    seen = []
    interleaved([lambda: (seen.append(gc.isenabled()), clock.call("a", 0.1)())], min_rounds=1, max_time=0.0)
    assert not any(seen)
    assert gc.isenabled()


def test_a_ratio_is_that_of_the_rounds():
    # The machine slowed down by ten in the second round; the ratio did not.
    found = ratio(Rounds([4.0, 40.0, 4.0], 1), Rounds([2.0, 20.0, 2.0], 1))
    assert (found["median"], found["low"], found["high"], found["rounds"]) == (2.0, 2.0, 2.0, 3)
    assert ratio(Rounds([3.0], 1), Rounds([2.0], 1))["low"] == 1.5
