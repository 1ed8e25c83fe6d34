"""The models that ship with the package, by preset name."""

from pathlib import Path

BUNDLED = Path(__file__).parent / "bundled"
# Any other name is a folder or a repository on the hub.
MODELS = {"scenes-mini": BUNDLED}
