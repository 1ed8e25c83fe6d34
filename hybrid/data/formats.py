"""Which kinds of pictures are read here, by the endings of their names, and the way to the others."""

from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

_ALWAYS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
# Formats that need something: the module that reads them, and how to get it.
_OPTIONAL = {
    "AVIF": ((".avif", ".avifs"), "PIL._avif", "pip install -U 'pillow>=11.3'"),
    "HEIF": ((".heic", ".heics", ".heif", ".heifs", ".hif"), "pillow_heif", "pip install 'qproj[heic]'"),
}
_CONVERT = "convert to PNG or JPEG"
_OTHERS = (
    *(".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".svg", ".eps", ".ico", ".tga", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".xcf", ".exr", ".hdr", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"),
)


def _installed(module: str) -> bool:
    """Whether a module can be imported; the package that it is in is not imported, as `find_spec` would."""
    package = find_spec(module.rpartition(".")[0]) if "." in module else None
    places = package.submodule_search_locations if package else None
    return PathFinder.find_spec(module, places) is not None


_here = {name: endings for name, (endings, module, _) in _OPTIONAL.items() if _installed(module)} | _ALWAYS
# Parsers for these are fuzzed by many; Pillow's others (EPS runs Ghostscript, say) are not worth the risk.
FORMATS = tuple(name for name in (*_ALWAYS, *_OPTIONAL) if name in _here)
# Endings of files that a folder is searched for; a file that is named itself may have any.
SUFFIXES = frozenset(ending for endings in _here.values() for ending in endings)
_WAYS = dict.fromkeys(_OTHERS, _CONVERT) | {
    ending: f"{way}, or {_CONVERT}"
    for name, (endings, _, way) in _OPTIONAL.items()
    if name not in _here
    for ending in endings
}
UNREAD = frozenset(_WAYS) - SUFFIXES


def register_readers() -> None:
    """Let Pillow know the readers that it does not bring itself; calling it again does nothing."""
    if "HEIF" in FORMATS:
        import_module("pillow_heif").register_heif_opener()


def ending(name: str) -> str:
    """The ending of a file's name in lower case, such as ``.jpg``."""
    return Path(name).suffix.lower()


def way_to_read(name: str) -> str:
    """What to do about a picture that is in none of `FORMATS`."""
    return _WAYS.get(ending(name), _CONVERT)


def left_out(names: Iterable[str]) -> str:
    """Say how many pictures are left out by their endings, and the way for each ending.

    Args:
        names: Of pictures whose ending is in `UNREAD`.

    Returns:
        One line; empty if there are no names.
    """
    counts = Counter(map(ending, names))
    if not counts:
        return ""
    kinds = ", ".join(f"{n} {end} ({_WAYS[end]})" for end, n in sorted(counts.items()))
    total = sum(counts.values())
    are = "picture is left out: its format is" if total == 1 else "pictures are left out: their formats are"
    return f"{total} {are} not read here: {kinds}"
