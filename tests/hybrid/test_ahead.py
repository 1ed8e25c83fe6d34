import threading

import pytest

from hybrid.data.ahead import map_ahead


def test_results_come_in_order_whoever_is_first():
    second = threading.Event()

    def slow_first(i):
        if i == 0:
            assert second.wait(10)
        if i == 1:
            second.set()
        return i * i

    assert list(map_ahead(slow_first, range(20), workers=2)) == [i * i for i in range(20)]


def test_no_more_is_taken_than_asked_for():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = map_ahead(lambda i: i, items(), ahead=3)
    assert next(results) == 0
    assert len(taken) == 4
    assert next(results) == 1
    assert len(taken) == 5
    results.close()
    assert len(taken) == 5


def test_an_error_is_raised_in_its_turn():
    results = map_ahead(lambda i: 1 // (2 - i), range(9))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_of_nothing_comes_nothing():
    assert list(map_ahead(str, [])) == []
