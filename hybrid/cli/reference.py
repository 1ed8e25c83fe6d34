"""``python -m hybrid.cli.reference``: the help pages of all commands as docs/cli.md."""

import sys
from typing import Any

import click

from hybrid.cli import COMMANDS, group

_WIDTH = 100
_HEAD = """# The command line

Written by `make docs` from what `--help` says; do not edit it by hand.

- **Results go to stdout.** Progress, notes and errors go to stderr. The progress bar is shown only if stderr
  is a terminal. An error is one line that says what is wrong, why, and what to do.
- **Exit codes**: 0 everything was done; 1 something failed; 2 the command was used wrongly; 130 and 143 it
  was stopped by SIGINT (Ctrl-C) and SIGTERM. What was written before is kept.
- **Options from a file**: `--config run.toml`, with a line for each option, under its name:
  `max-new-tokens = 20`, `recursive = true`, `format = "jsonl"`. Options on the command line override the
  file. All mistakes in the file are reported at once.
- `--traceback`, or `HYBRID_DEBUG=1` in the environment, prints the Python traceback of an error.
- `eval "$(hybrid completion bash)"` makes the shell complete commands, options, models, backends and files.

## From one picture to many thousands
```sh
hybrid caption img.jpg                    # the caption
hybrid caption photos --recursive --format jsonl --output captions.jsonl
hybrid caption photos --recursive --format jsonl --output captions.jsonl --skip-existing  # go on
hybrid caption 'photos/*.png' --sidecar   # img.txt beside img.png
cat img.jpg | hybrid caption - --stream   # words as they come
```

Results are written in the order of the pictures, as soon as each batch is done. A picture that cannot be
read becomes a row with an `error` in json, jsonl and csv, and a line on stderr. `--skip-existing` tries such
pictures again and removes their old rows.
"""


def reference() -> str:
    """The help pages of all commands, in Markdown."""
    top = click.Context(group, info_name="hybrid", **_settings())
    parts = [_HEAD, _page("hybrid", group.get_help(top))]
    for name in COMMANDS:
        command = group.get_command(top, name)
        assert command is not None
        ctx = click.Context(command, parent=top, info_name=name, **_settings())
        parts.append(_page(f"hybrid {name}", command.get_help(ctx)))
    return "\n".join(parts)


def _settings() -> dict[str, Any]:
    return {**group.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}


def _page(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n```\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
