"""Runs PennyLane's tests on another device than they were written for, and says how each ended, as a table.

    python tests/suite/pennylane_suite.py [--device NAME] [--part NAME]... [PENNYLANE]

`PENNYLANE` is a clone of PennyLane at the tag of the installed release, whose tests of layers, measurements,
gradients, templates, state preparation and QNodes are run with `default.qubit` replaced by the device.
Without it only PennyLane's suite for devices is run, which pip brings.

The file is a plugin of pytest as well, which notes how tests ended.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# Which pip brings, with so many shots.
SUITE = {"device suite, exact": "None", "device suite, 10,000 shots": "10000"}
# In a clone of PennyLane, those that are there.
PARTS = {
    "TorchLayer": ["tests/qnn/test_qnn_torch.py"],
    "measurements": ["tests/measurements"],
    "gradients": [f"tests/gradients/{name}" for name in ("core", "parameter_shift", "finite_diff")],
    "templates": ["tests/templates"],
    "state preparation": ["tests/ops/qubit/test_state_prep.py", "tests/templates/test_state_preparations"],
    "QNodes": ["tests/workflow/interfaces/qnode", "tests/interfaces"],
}
COLUMNS = ("passed", "skipped", "refused", "other words", "wrong", "crashed")
# Errors by which devices and PennyLane refuse in words.
REFUSALS = (
    "DeviceError",
    "QuantumFunctionError",
    "NotImplementedError",
    "WireError",
    "DecompositionUndefinedError",
)
SLOW = 30.0  # seconds


def how_it_failed(error: type[BaseException], message: str) -> str:
    """One of `COLUMNS`, from what a test ended with.

    Args:
        error: The exception's type.
        message: Its text.
    """
    if "DID NOT RAISE" in message or "Regex pattern did not match" in message:
        return "other words"  # a test of what default.qubit refuses, or of how it says so
    if any(kind.__name__ in REFUSALS for kind in error.__mro__):
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
            with Path(self._path).open("a") as file:
                file.write(json.dumps([item.nodeid, ended, why, call.duration]) + "\n")


def pytest_configure(config: Any) -> None:
    """In a process that this file started: put the device in default.qubit's place."""
    config.pluginmanager.register(Notes(os.environ["PENNYLANE_SUITE_NOTES"]))
    if replacement := os.environ.get("PENNYLANE_SUITE_DEVICE"):
        import pennylane
        from pennylane.devices.device_constructor import plugin_devices

        plugin_devices["default.qubit"] = plugin_devices[replacement]
        # Tests of QNodes make the class itself.
        pennylane.devices.DefaultQubit = functools.partial(pennylane.device, replacement)


def run(device: str | None, paths: list[str], where: Path, options: list[str]) -> list[list[Any]]:
    """Notes of a run of pytest, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes")
        notes.touch()
        search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PENNYLANE_SUITE_NOTES": str(notes), "PYTHONPATH": search}
        if device:
            environment["PENNYLANE_SUITE_DEVICE"] = device
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
    for column in COLUMNS[2:]:
        kinds = Counter(why[:110] for _, ended, why, _ in every if ended == column)
        lines += ["", *(f"{column}, {count}: {why}" for why, count in kinds.most_common())] if kinds else []
    lines += [f"slow, {seconds:.0f} s: {name}" for name, *_, seconds in every if seconds > SLOW]
    return "\n".join(lines)


def main() -> int:
    """Run what was asked for; exit code 1 where something was wrong or crashed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("pennylane", nargs="?", type=Path, help="a clone of PennyLane")
    parser.add_argument("--device", default="qproj.statevector")
    parser.add_argument("--part", action="append", choices=[*SUITE, *PARTS], help="these rows alone")
    given = parser.parse_args()
    wanted = given.part or [*SUITE, *PARTS]
    import pennylane

    suite, here = str(Path(pennylane.__file__).parent / "devices" / "tests"), Path.cwd()
    parts = {}
    for name, shots in SUITE.items():
        if name in wanted:
            parts[name] = run(None, [suite], here, ["--device", given.device, "--shots", shots])
    for name, paths in PARTS.items() if given.pennylane else ():
        if name not in wanted:
            continue
        there = [path for path in paths if (given.pennylane / path).exists()]
        if not there:
            print(f"No {name}: none of {', '.join(paths)} is in {given.pennylane}.", file=sys.stderr)  # noqa: T201
            continue
        parts[name] = run(given.device, there, given.pennylane, [])
    print(table(parts))  # noqa: T201
    return int(any(ended in ("wrong", "crashed") for notes in parts.values() for _, ended, *_ in notes))


if __name__ == "__main__":
    raise SystemExit(main())
