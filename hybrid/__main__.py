"""``python -m hybrid`` is the ``hybrid`` command, for launchers that start modules."""

from hybrid.cli import main

if __name__ == "__main__":
    main()
