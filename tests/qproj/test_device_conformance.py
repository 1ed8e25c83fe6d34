"""PennyLane's own suite for devices, that of `pl-device-test`, on `qproj.statevector`: exact, and with shots.

Left out for time are second derivatives in JAX, which compile longest, templates decomposed by PennyLane's
graph, and with shots templates and gradients, which are run exactly. `make pennylane-suite` runs all of it.
"""

import subprocess
import sys
from importlib import util
from pathlib import Path
from xml.etree import ElementTree

import pytest

SUITE = Path(util.find_spec("pennylane").origin).with_name("devices") / "tests"

# Tests of other things than this device, by what the suite says when it skips or expects them to fail.
REASONS = {
    "device does not support diff_method": "backpropagation, with shots",
    "test only works with backprop": "likewise, for other methods",
    "test only works with parameter-shift": "second derivatives, by other methods",
    "test is old interface specific.": "devices of PennyLane's first interface",
    "test is specific to old device interface": "likewise",
    "test specific to old device interface.": "likewise",
    "test specific for old device interface.": "likewise",
    "most devices do not support CV": "photonics",
    "QutritBasisState template only works on qutrit devices": "qutrits",
    "operation not supported on the device": "density matrices as states to start from",
    "Device does not support custom measurement transforms.": "measurements that bring a device of their own",
}
EXACT = {
    "Device is in analytic mode, cannot test sampling.": "",
    "Shots must be specified in the device to compute a sampled measurement.": "",
    "If shots=None no warning is raised.": "",
}
SAMPLED = {
    "Device is in non-analytical mode.": "",
    "test should only be run in analytic mode": "",
    "SparseHamiltonian only supported in analytic mode": "",
    "If shots!=None no error is raised.": "",
    "Some plugins don't update state information when shots is not None.": "",
}


# The names of the runs, and how many tests of theirs must pass.
RUNS = {
    "None": ("not (gradients_jax and hessian) and not graph_enabled", 360, REASONS | EXACT),
    "10000": ("not Templates and not TestGradients", 270, REASONS | SAMPLED),
}
# What `pl-device-test` starts, both runs in one process, for it takes seconds to import PennyLane.
CODE = """
import sys, pytest
for shots, which in zip(sys.argv[2::2], sys.argv[3::2]):
    status = pytest.main([
        sys.argv[1], "--device=qproj.statevector", f"--shots={shots}", "-k", which, "--no-flaky-report",
        "-q", "-W", "ignore", "-p", "no:cacheprovider", f"--junitxml={shots}.xml",
    ])
    if status: sys.exit(status)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    runs = [argument for shots, (which, *_) in RUNS.items() for argument in (shots, which)]
    command = [sys.executable, "-c", CODE, SUITE, *runs]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("shots", RUNS)
def test_conformance(shots, finished):
    folder, run = finished
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    _, at_least, reasons = RUNS[shots]
    cases = list(ElementTree.parse(folder / f"{shots}.xml").iter("testcase"))
    skipped = [case.find("skipped") for case in cases]
    told = {entry.get("message").removeprefix("Skipped: ") for entry in skipped if entry is not None}
    assert not told - set(reasons)
    assert sum(entry is None for entry in skipped) >= at_least
