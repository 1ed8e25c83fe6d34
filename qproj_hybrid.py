"""Where the ``hybrid`` command starts: D-Wave's dwave-hybrid has a package of that name, too."""

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Run the command, if the package ``hybrid`` on the path is this one."""
    spec = find_spec("hybrid")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if any(Path(folder, "decomposers.py").exists() for folder in folders):
        sys.exit(
            "hybrid: D-Wave's dwave-hybrid is installed as well, and its package is named hybrid, too; keep "
            "the two in environments of their own, or uninstall both and install this one again"
        )
    from hybrid.cli import main as run

    run()
