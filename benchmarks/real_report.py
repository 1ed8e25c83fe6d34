"""The figures of docs/real-models.md: `python -m benchmarks.real_report RESULT.json`.

The result is what ``pytest benchmarks/test_real_models.py --benchmark-only`` wrote; it is kept beside the
other results, and the page's blocks are made of it alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.documents import RESULTS, ROOT, filled
from benchmarks.results import Result, ResultError, load, ratio_of
from benchmarks.writing import number, spread, table, time, times

PAGE = ROOT / "docs" / "real-models.md"
RESULT = RESULTS / "real-models.json"


def sections(result: Result) -> dict[str, str]:
    """All sections by name."""
    return {name: make(result) for name, make in SECTIONS.items()}


def _gigabytes(n_bytes: float) -> str:
    return f"{number(n_bytes / 1e9)} GB"


def _machine(result: Result) -> str:
    machine, processor = (
        result.suite["machine"],
        result.machine.get("cpu", {}).get("brand_raw", "a processor"),
    )
    versions = ", ".join(
        f"{name} {result.suite['versions'][name]}" for name in ("torch", "transformers", "jax")
    )
    return (
        f"Measured on {result.when}, commit {result.commit['id'][:12]}: {machine['cores']} cores of "
        f"{processor}, {machine['memory_bytes'] / 2**30:.1f} GiB of memory; {versions}."
    )


def _training(result: Result) -> str:
    rows = [
        [r.info["batch"], _gigabytes(r.info["peak_bytes"]), time(r.median),
         f"{r.info['checkpoint_bytes'] / 1e6:.2f} MB"]
        for r in result.of("real training")
    ]  # fmt: skip
    return table(["batch", "peak memory", "the whole run", "saved"], rows)


def _caption(result: Result) -> str:
    rows = [
        [r.info["dtype"], _gigabytes(r.info["peak_bytes"]), time(r.info["load_seconds"]),
         time(r.info["first_token_seconds"]), f"{r.info['token_seconds']:.3f} s"]
        for r in result.of("real caption")
    ]  # fmt: skip
    return table(["--dtype", "peak memory", "load", "first token", "each further token"], rows)


def _connectors(result: Result) -> str:
    rows = [
        [r.info["what"], spread(r), times(r), f"{ratio_of(r)['median'] - 1:+.1%}"]
        for r in result.of("real connector")
    ]
    return table(["", "quantum connector", "times the classical one's", "more"], rows)


def _alone(result: Result) -> str:
    rows = [
        [r.info["batch"], f"{r.info['samples_per_second']:.0f} samples/s"]
        for r in result.of("connector alone")
    ]
    return table(["batch", "connector alone, from cached features"], rows)


def _start(result: Result) -> str:
    rows = [[spread(r), time(r.info["import_seconds"])] for r in result.of("start")]
    return table(["hybrid caption, bundled model, new process", "import torch, transformers alone"], rows)


SECTIONS = {
    "machine": _machine,
    "training": _training,
    "caption": _caption,
    "connectors": _connectors,
    "connector alone": _alone,
    "start": _start,
}


def main(arguments: list[str] | None = None) -> int:
    """Keep the result and make the page's blocks anew; the exit code is 2 where the file is not a result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_report", description=__doc__.splitlines()[0]
    )
    parser.add_argument("result", type=Path, metavar="RESULT.json")
    source = parser.parse_args(arguments).result
    try:
        made = sections(load(source))
    except ResultError as error:
        print(f"real_report: {error}", file=sys.stderr)
        return 2
    if source.resolve() != RESULT:
        RESULT.write_text(json.dumps(json.loads(source.read_text()), separators=(",", ":")) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), made, ""))
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
