"""Tables and pictures from a result: `python -m benchmarks.report RESULT.json`.

Writes `benchmarks/results/`: the result itself, a report in Markdown, pictures; and puts sections of the
report into README.md and docs/performance.md, between their markers. All is made from the JSON alone.
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
    parts = [f"# Benchmarks on {result.suite['device']}"]
    for name, text in sections(result).items():
        if text and name != "summary":
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
    device = result.suite["device"]
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{device}.json"
    if source.resolve() != kept.resolve():
        kept.write_text(json.dumps(json.loads(source.read_text()), separators=(",", ":")) + "\n")
    page = folder / f"{device}.md"
    page.write_text(markdown(result))
    return [kept, page, *plots.write(result, folder)]


def write_documents(result: Result) -> None:
    """Make the blocks of README and docs anew."""
    for document in DOCUMENTS:
        text = document.read_text()
        document.write_text(filled(text, sections(result), pictures_from(document)))


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
            write_documents(load(given.result))
    except ResultError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print("\n".join(map(str, files)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
