"""Make PyPI's CUDA build of torch run on a CPU without CUDA: ``python tests/cpu_torch.py``, after
``pip install --no-deps torch==VERSION``, in the environment that is to have it.

torch's shared objects are linked to 3 GB of CUDA libraries, and the loader asks for all of them. This puts a
small library in place of each, beside torch, in which every function reports that there is no device, and
takes them off the list of what torch needs. For
tests of versions of torch of which there is no CPU build at hand; needs gcc and readelf. Never in an
environment that is to use a GPU.
"""

import functools
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

_NO_DEVICE = 100  # cudaErrorNoDevice
# What torch asks without a device, too, and what must not be a number.
_SPECIAL = {
    "cudaStreamIsCapturing": "long {0}(void *stream, int *status) {{ *status = 0; return 0; }}",
    "cudaGetErrorString": 'const char *{0}(int code) {{ return "no CUDA here"; }}',
    "cudaGetErrorName": 'const char *{0}(int code) {{ return "no CUDA here"; }}',
}
_CUDA = re.compile(r"lib(cu|nv|nccl|magma)")
_ENTRY = re.compile(r"(?:FUNC|OBJECT|NOTYPE|IFUNC)\s+(?:GLOBAL|WEAK)\s+\w+\s+(\w+)\s+([\w$.]+)(?:@@?(\S+))?")


def _symbols(library: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """What a shared object defines, and what it lacks: a name and the version it is wanted in."""
    listed = _output("readelf", "--dyn-syms", "-W", library)
    defined, missing = set(), set()
    for section, name, version in _ENTRY.findall(listed):
        if section == "UND":
            missing.add((name, version))
        else:
            defined.add(name)
    return defined, missing


@functools.cache
def _versions(library: Path) -> dict[str, set[str]]:
    """Which versions of symbols a shared object wants of which other."""
    wanted, file = defaultdict(set), ""
    for key, value in re.findall(r"(File|Name): (\S+)", _output("readelf", "-V", "-W", library)):
        if key == "File":
            file = value
        else:
            wanted[file].add(value)
    return wanted


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Put the libraries beside torch."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        sys.exit("cpu_torch: torch must be installed first: pip install --no-deps torch==VERSION")
    folder = Path(spec.origin).parent / "lib"
    ours = sorted(folder.glob("*.so*"))
    needed = {
        name
        for library in ours
        for name in re.findall(r"NEEDED.*\[(.*)\]", _output("readelf", "-d", library))
    }
    absent = sorted(name for name in needed if _CUDA.match(name) and not (folder / name).exists())
    defined: set[str] = set()
    versioned: dict[str, set[str]] = defaultdict(set)
    for library in ours:
        found, missing = _symbols(library)
        defined |= found
        for name, version in missing:
            versioned[version].add(name)
    plain = {name for name in versioned.pop("", set()) - defined if re.match(r"_*(cu|nv|nccl|magma)", name)}
    for i, name in enumerate(absent):
        wanted = {v for library in ours for v in _versions(library).get(name, ())}
        versions = {version: versioned[version] for version in wanted}
        _build(folder / name, versions, plain if i == 0 else set())
    (metadata,) = folder.parents[1].glob("torch-*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").splitlines(keepends=True)
    left = [line for line in lines if not re.match(r"Requires-Dist: (nvidia|triton|cuda)", line)]
    metadata.write_text("".join(left), encoding="utf-8")  # or pip would fetch them with the next package
    sys.stdout.write(f"cpu_torch: {len(absent)} CUDA libraries replaced in {folder}\n")


def _build(target: Path, versions: dict[str, set[str]], plain: set[str]) -> None:
    names = sorted(plain.union(*versions.values()))
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        usual = f"long {{0}}(void) {{{{ return {_NO_DEVICE}; }}}}"
        lines = (_SPECIAL.get(name, usual).format(name) for name in names)
        source.write_text("\n".join(lines))
        script.write_text(
            "".join(f"{v} {{ global: {'; '.join(sorted(names))}; }};\n" for v, names in versions.items())
        )
        command = [
            "gcc",
            "-shared",
            "-fPIC",
            "-fno-builtin",
            "-o",
            target,
            source,
            f"-Wl,-soname,{target.name}",
        ]
        subprocess.run([*command, f"-Wl,--version-script,{script}"] if versions else command, check=True)


if __name__ == "__main__":
    main()
