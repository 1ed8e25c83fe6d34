"""Runs PennyLane's tests on another device than they were written for, and says how each ended, as a table.

    python tests/suite/pennylane_suite.py [--device NAME] [--part NAME]... [CLONE]...

A clone of PennyLane at the tag of the installed release brings its tests of layers, measurements, gradients,
templates, state preparation and QNodes, which are run with `default.qubit` replaced by the device. A clone
of PennyLane-Lightning brings its own, of `lightning.qubit`, which compare with `default.qubit` and need
pytest-rng. Without either only PennyLane's suite for devices is run, which pip brings.

The file is a plugin of pytest as well, which notes how tests ended.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

# Which pip brings, with so many shots.
SUITE = {"device suite, exact": "None", "device suite, 10,000 shots": "10000"}
# In a clone, those that are there: of PennyLane, and of PennyLane-Lightning.
PARTS = {
    "TorchLayer": ["tests/qnn/test_qnn_torch.py"],
    "measurements": ["tests/measurements"],
    "gradients": [f"tests/gradients/{name}" for name in ("core", "parameter_shift", "finite_diff")],
    "templates": ["tests/templates"],
    "state preparation": ["tests/ops/qubit/test_state_prep.py", "tests/templates/test_state_preparations"],
    "QNodes": ["tests/workflow/interfaces/qnode", "tests/interfaces"],
}
LIGHTNING = {
    f"Lightning's {part}": [f"tests/test_{name}.py" for name in names.split()]
    for part, names in {
        "templates": "templates",
        "measurements": "measurements measurements_sparse expval var",
        "gates": "gates apply comparison device",
        "gradients": "adjoint_jacobian vjp execute",
        "measurements in the middle": "native_mcm",
    }.items()
}
# What tests of a device's behaviour do not touch: its modules, private attributes, list of gates, and calls.
INSIDES = re.compile(
    r"pennylane_lightning|lightning_ops|get_c_interface|\bdev\w*\._[a-z]|\.preprocess\(|\bmocker\b"
)
COLUMNS = ("passed", "skipped", "refused", "other words", "wrong", "crashed", "inside")
# Errors by which devices and PennyLane refuse in words.
REFUSALS = (
    "DeviceError",
    "QuantumFunctionError",
    "NotImplementedError",
    "WireError",
    "DecompositionUndefinedError",
)
OWN_WORDS = re.compile(r" must .*, but w(as|ere) ")  # qproj's
SLOW = 30.0  # seconds


def how_it_failed(error: type[BaseException], message: str) -> str:
    """One of `COLUMNS`, from what a test ended with.

    Args:
        error: The exception's type.
        message: Its text.
    """
    if re.search("DID NOT (RAISE|WARN)|Regex pattern did not match", message):
        return "other words"  # a test of what default.qubit refuses, or of how it says so
    kinds = [kind.__name__ for kind in error.__mro__]
    # Within jax.jit an error is what JAX says of its callback, with the traceback as text.
    if any(name in kinds or f"{name}: " in message for name in REFUSALS) or OWN_WORDS.search(message):
        return "refused"
    return "wrong" if issubclass(error, AssertionError) else "crashed"


class Notes:
    """A plugin that writes a line for each test: its name, how it ended, why, and the seconds it took."""

    def __init__(self, path: str) -> None:
        self._path = path

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """See pytest."""
        report = (yield).get_result()
        ended, why = report.outcome, ""
        if report.failed and call.excinfo is not None:
            why = re.sub(r"\s+| at 0x[0-9a-f]+", " ", f"{call.excinfo.typename}: {call.excinfo.value}")
            ended = how_it_failed(call.excinfo.type, why)
        if report.when == "call" or ended != "passed":
            self._write(item, ended, why, call.duration)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """See pytest: of Lightning's tests, leave out those of its insides."""
        if os.environ.get("PENNYLANE_SUITE_PLACE") == "lightning.qubit":
            inside = [item for item in items if INSIDES.search(inspect.getsource(item.function))]
            for item in inside:
                items.remove(item)
                self._write(item, "inside", "", 0.0)

    def _write(self, item: Any, ended: str, why: str, seconds: float) -> None:
        with Path(self._path).open("a") as file:
            file.write(json.dumps([item.nodeid, ended, why, seconds]) + "\n")


def stand_in(device: str, place: str) -> type:
    """A class of one device that is made as another's is: what only the other understands is left out.

    Args:
        device: The device that is made.
        place: The name of the device in whose place it is.
    """
    import pennylane

    kind, other = (pennylane.plugin_devices[name].load() for name in (device, place))
    known = inspect.signature(kind).parameters

    class StandIn(kind):  # type: ignore[misc, valid-type]
        # Lightning's tests ask for these two: whether it was built, and which gates to try.
        _CPP_BINARY_AVAILABLE = True
        capabilities = kind.capabilities or other.capabilities

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{name: value for name, value in options.items() if name in known})

    return StandIn


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> None:
    """In a process that this file started: put the device in another's place, before tests import that."""
    early_config.pluginmanager.register(Notes(os.environ["PENNYLANE_SUITE_NOTES"]))
    device, place = (os.environ.get(f"PENNYLANE_SUITE_{name}") for name in ("DEVICE", "PLACE"))
    if not device or not place or device == place:
        return
    import pennylane

    if place == "default.qubit":
        pennylane.plugin_devices[place] = pennylane.plugin_devices[device]
        # Tests of QNodes make the class itself.
        pennylane.devices.DefaultQubit = functools.partial(pennylane.device, device)
    else:
        import pennylane_lightning.lightning_qubit as module

        module.LightningQubit = stand_in(device, place)
        pennylane.plugin_devices[place] = types.SimpleNamespace(load=lambda: module.LightningQubit)


def run(
    paths: list[str], where: Path, options: Sequence[str] = (), device: str = "", place: str = ""
) -> list[list[Any]]:
    """Notes of a run of pytest, in a process of its own, with one device in another's place."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes")
        notes.touch()
        search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        given = {"NOTES": str(notes), "DEVICE": device, "PLACE": place}
        environment = os.environ | {"PYTHONPATH": search}
        environment |= {f"PENNYLANE_SUITE_{name}": value for name, value in given.items()}
        quiet = [
            "-q",
            "-W",
            "ignore",
            "-p",
            "no:cacheprovider",
            "-p",
            "pennylane_suite",
            "--tb=no",
            "--no-header",
        ]
        command = [sys.executable, "-m", "pytest", *paths, *quiet, *options]
        subprocess.run(command, cwd=where, env=environment, stdout=subprocess.DEVNULL, check=False)
        return [json.loads(line) for line in notes.read_text().splitlines()]


def table(parts: dict[str, list[list[Any]]]) -> str:
    """How each part ended, and then what was refused, was wrong, crashed or was slow."""
    lines = [f"| tests | {' | '.join(COLUMNS)} | over {SLOW:.0f} s |", "|---|" + "--:|" * (len(COLUMNS) + 1)]
    for name, notes in parts.items():
        counts = Counter(ended for _, ended, _, _ in notes)
        slow = sum(seconds > SLOW for *_, seconds in notes)
        lines.append(f"| {name} | {' | '.join(str(counts[c]) for c in COLUMNS)} | {slow} |")
    every = [note for notes in parts.values() for note in notes]
    for column in COLUMNS[2:-1]:
        kinds = Counter(why[:110] for _, ended, why, _ in every if ended == column)
        lines += ["", *(f"{column}, {count}: {why}" for why, count in kinds.most_common())] if kinds else []
    lines += [f"slow, {seconds:.0f} s: {name}" for name, *_, seconds in every if seconds > SLOW]
    return "\n".join(lines)


def main() -> int:
    """Run what was asked for; exit code 1 where something was wrong or crashed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("clones", nargs="*", type=Path, help="clones of PennyLane or PennyLane-Lightning")
    parser.add_argument("--device", default="qproj.statevector")
    parser.add_argument(
        "--part", action="append", choices=[*SUITE, *PARTS, *LIGHTNING], help="these rows alone"
    )
    given = parser.parse_args()
    wanted = given.part or [*SUITE, *PARTS, *LIGHTNING]
    import pennylane

    suite, here = str(Path(pennylane.__file__).parent / "devices" / "tests"), Path.cwd()
    parts = {}
    for name, shots in SUITE.items():
        if name in wanted:
            parts[name] = run([suite], here, ["--device", given.device, "--shots", shots])
    for clone in given.clones:
        of_lightning = (clone / "tests/test_native_mcm.py").exists()
        place = "lightning.qubit" if of_lightning else "default.qubit"
        for name, paths in (LIGHTNING if of_lightning else PARTS).items():
            there = [path for path in paths if (clone / path).exists()]
            if name in wanted and there:
                parts[name] = run(there, clone, device=given.device, place=place)
            elif name in wanted:
                print(f"No {name}: none of {', '.join(paths)} is in {clone}.", file=sys.stderr)  # noqa: T201
    print(table(parts))  # noqa: T201
    return int(any(ended in ("wrong", "crashed") for notes in parts.values() for _, ended, *_ in notes))


if __name__ == "__main__":
    raise SystemExit(main())
