"""Measuring in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import fresh
from benchmarks.documents import ROOT
from benchmarks.grid import BASIC, Cell


def test_peak_memory_is_that_of_the_process_and_grows_with_what_it_holds():
    ballast = np.ones(1 << 26)  # half a GiB, resident here
    code = (
        "from benchmarks.fresh import peak_memory; before = peak_memory()\n"
        "held = bytearray(b'x') * (1 << 28); print(before, peak_memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, grown = map(int, done.stdout.split())
    assert 1 << 22 < before < ballast.nbytes / 2
    assert grown >= 0.9 * (1 << 28)


def test_a_fresh_process_tells_its_first_call_from_later_ones():
    found = fresh.run("qproj", Cell(BASIC, 2, 2), "cpu")
    assert found.first_seconds > found.steady_seconds > 0
    assert found.import_seconds > 0
    assert found.peak_bytes >= found.before_bytes > 0


def test_a_process_that_fails_or_takes_too_long_says_so():
    with pytest.raises(RuntimeError, match=r"nobody failed on .*: KeyError: 'nobody'"):
        fresh.run("nobody", Cell(BASIC, 2, 2), "cpu")
    with pytest.raises(RuntimeError, match=r"had not made its first call .* after 0 seconds"):
        fresh.run("qproj", Cell(BASIC, 2, 2), "cpu", timeout=0.01)
