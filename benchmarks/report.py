"""Tables and pictures from a result: `python -m benchmarks.report RESULT.json`.

Writes `benchmarks/results/`: the result itself, a report in Markdown, pictures; and puts sections of all the
results there into README.md and docs/performance.md, between their markers. All is made from the JSON alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import plots
from benchmarks.documents import DOCUMENTS, RESULTS, filled, pictures_from
from benchmarks.results import Result, ResultError, load
from benchmarks.tables import sections


def markdown(result: Result) -> str:
    """The whole report."""
    parts = [f"# Benchmarks on {result.suite['device']}, grid {result.suite['grid']}"]
    for name, text in sections(result).items():
        if text and name not in ("summary", "headline"):
            parts += [f"## {name[0].upper()}{name[1:]}", text.strip()]
    return "\n\n".join(parts).replace("{results}/", "") + "\n"


def write(source: Path, folder: Path) -> list[Path]:
    """Write the report of a result.

    Args:
        source: The JSON.
        folder: Where to, made if missing.

    Returns:
        The files.

    Raises:
        ResultError: If the JSON is not a result of this suite.
    """
    result = load(source)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{result.name}.json"
    if source.resolve() != kept.resolve():
        kept.write_text(json.dumps(json.loads(source.read_text()), separators=(",", ":")) + "\n")
    page = folder / f"{result.name}.md"
    page.write_text(markdown(result))
    return [kept, page, *plots.write(result, folder)]


def blocks() -> dict[str, str]:
    """What README and docs may show: the default grid's sections by name, others' by `GRID: NAME`."""
    found = sections(load(RESULTS / "cpu.json"))
    for path in sorted(RESULTS.glob("cpu-*.json")):
        other = load(path)
        found |= {f"{other.suite['grid']}: {name}": text for name, text in sections(other).items()}
    return found


def write_documents() -> None:
    """Make the blocks of README and docs anew."""
    made = blocks()
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(), made, pictures_from(document)))


def main(arguments: list[str] | None = None) -> int:
    """Write the report, and return the exit code: 2 where the file is not a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path, metavar="RESULT.json")
    parser.add_argument(
        "--output", type=Path, help="another folder to write to; README and docs are left as they are then"
    )
    given = parser.parse_args(arguments)
    try:
        files = write(given.result, given.output or RESULTS)
        if given.output is None and load(given.result).suite["device"] == "cpu":
            write_documents()
    except ResultError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print("\n".join(map(str, files)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
