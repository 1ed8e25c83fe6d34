"""The Hugging Face hub: reachability, and its local cache."""

import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from hybrid.loading.names import MODELS, ModelError, cache_of


def hub_offline(name: str, revision: str | None = None, files: Sequence[str] = ("config.json",)) -> bool:
    """Whether a name on the hub must come from the local cache.

    Checked first, since the hub's client retries for a minute if there is no network.

    Args:
        name: ``owner/name``.
        revision: A branch, a tag or a commit.
        files: One of these must be in the cache for it to serve.

    Raises:
        ModelError: If there is neither a network nor a cached copy.
    """
    offline = constants.is_offline_mode() or not _reachable(constants.ENDPOINT)
    cached = cached_folder(name, revision) if offline else None
    if offline and (cached is None or not any(any(cached.rglob(file)) for file in files)):
        asked = f" at revision {revision}" if revision else ""
        raise ModelError(
            name,
            f"is neither a folder here nor in the local cache{asked}, and the hub cannot be "
            f"reached; connect once to download it, or give a folder, or {', '.join(MODELS)}, which is here",
        )
    return offline


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """Where a repository lies in the local cache, whole or in part: a folder named by its commit, or None."""
    repository = cache_of(name)
    asked = revision or "main"
    reference = repository / "refs" / asked
    folder = repository / "snapshots" / (reference.read_text().strip() if reference.is_file() else asked)
    return folder if folder.is_dir() else None


def fetched_folder(name: str, revision: str | None, patterns: list[str], *, offline: bool) -> Path | None:
    """Fetch the files of a repository that match, and say where they are.

    Args:
        name: ``owner/name``.
        revision: A branch, a tag or a commit.
        patterns: Of the files' paths, with ``*``.
        offline: Take what the local cache has.

    Returns:
        The folder in the cache, or None if there is no such repository to be had.
    """
    if offline:
        return cached_folder(name, revision)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError, HfHubHTTPError):
        return None


def _reachable(address: str, seconds: float = 3.0) -> bool:
    if getproxies():  # a proxy resolves names itself
        return True
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
    except OSError:
        return False
    return True
