"""How the suite is run: what is collected, what is refused, what is skipped, what is written down."""

import io
import json
import os
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest
import torch

from benchmarks import limits
from benchmarks.documents import ROOT
from benchmarks.peers import default_qubit
from benchmarks.results import load


def run(*arguments):
    """Run pytest within this process, which has imported everything already: exit code and both outputs."""
    out, err = io.StringIO(), io.StringIO()
    with ExitStack() as stack:
        # A run of its own, also where this test is one worker's of several.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in os.environ if name.startswith("PYTEST_")]:
            patch.delenv(name)
        for context in (chdir(ROOT), redirect_stdout(out), redirect_stderr(err)):
            stack.enter_context(context)
        code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-s", *map(str, arguments)])
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def test_plain_pytest_collects_tests_only(request):
    assert request.config.getini("testpaths") == ["tests"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_benchmark_only_collects_benchmarks_only_and_without_a_gpu_skips_them():
    done = run("--benchmark-only", "--device", "cuda", "-rs", "-vv")
    assert done.returncode == 0, done.stdout
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert tests
    assert all(test.startswith("benchmarks/test_") for test in tests)
    assert "passed" not in done.stdout
    assert "needs a GPU that torch can use, and there is none" in done.stdout


def test_the_folder_alone_runs_nothing_and_says_how():
    done = run("benchmarks/test_limits.py", "-rs")
    assert "skipped" in done.stdout
    assert "passed" not in done.stdout
    assert "pytest --benchmark-only" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "huge"], "--grid must be one of default, sizes, measurements, full, but was 'huge'"),
        (["--peers", "qulacs,cirq"], "but held 'cirq'"),
        (["--device", "tpu"], "--device must be cpu or cuda, but was 'tpu'"),
    ],
)
def test_unknown_names_are_usage_errors(arguments, message):
    done = run("--benchmark-only", *arguments)
    assert done.returncode == 4
    assert message in done.stderr


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """One cell, two peers, one of which is broken on purpose."""
    build = default_qubit.build

    def broken(circuit, weights):
        step = build(circuit, weights)
        return lambda x: 1.01 * step(x)

    report = tmp_path_factory.mktemp("run") / "a.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default_qubit, "build", broken)
        patch.setattr(limits, "IN_MEMORY", 1 << 22)
        patch.setattr(limits.flops_rate, "__defaults__", ("float32", "cpu", 64))
        done = run(
            "benchmarks/test_layer.py", "--benchmark-only", "-k", "basic-n4-L3-b1-float32",
            "--peers", "default.qubit,lightning.qubit-vjp", "--benchmark-json", report,
            "--benchmark-max-time=0.01", "--benchmark-min-rounds=3",
        )  # fmt: skip
    return done, report


def test_a_peer_that_disagrees_is_shown_as_wrong_and_not_timed(small_run):
    done, path = small_run
    assert done.returncode == 1
    assert "wrong, so not timed: values differed by" in done.stdout
    assert "2 failed, 4 passed" in done.stdout
    for comparison in load(path).comparisons():
        assert comparison.wrong == ("default.qubit",)
        assert set(comparison.peers) == {"lightning.qubit-vjp"}


def test_what_is_written_down(small_run):
    data = json.loads(small_run[1].read_text())
    assert data["machine_info"]["node"] == ""
    assert data["suite"]["grid"] == "default"
    assert data["suite"]["machine"]["cores"] >= 1
    assert all(rate > 0 for rate in data["suite"]["limits"].values())
    assert {"torch", "jax", "pennylane-lightning"} <= set(data["suite"]["versions"])
    by_name = {entry["name"]: entry for entry in data["benchmarks"]}
    assert len(by_name) == 4
    own = by_name["test_layer[basic-n4-L3-b1-float32-qproj-both]"]
    peer = by_name["test_layer[basic-n4-L3-b1-float32-lightning.qubit-vjp-both]"]
    assert own["params"] == {
        "workload": "basic", "n_qubits": 4, "n_layers": 3, "batch": 1, "dtype": "float32", "peer": "qproj",
        "direction": "both",
    }  # fmt: skip
    assert own["group"] == peer["group"]
    assert own["stats"]["rounds"] >= 3
    assert own["extra_info"]["flops"] > 0
    assert set(own["extra_info"]["limit_fractions"]) == {"round trip", "arithmetic", "memory"}
    assert peer["extra_info"]["agreed"] is True
    # The rounds alternated, so there are as many of each side, and the ratio is that of the rounds.
    seconds, beside = peer["stats"]["data"], peer["extra_info"]["own_seconds"]
    ratios = sorted(a / b for a, b in zip(seconds, beside, strict=True))
    assert ratios[0] <= peer["extra_info"]["ratio"]["median"] <= ratios[-1]
