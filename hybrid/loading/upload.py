"""Sending a model's folder to the Hugging Face hub."""

from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError

from hybrid.loading.adapter import WEIGHTS, read_adapter
from hybrid.loading.base import Base
from hybrid.loading.checkpoints import DIGESTS
from hybrid.loading.names import ADAPTER, ModelError, first_line

_SMALL = [ADAPTER, WEIGHTS, DIGESTS, "README.md"]


def push(folder: Path, name: str, *, private: bool = False) -> str:
    """Send a model to the hub; of a small checkpoint only connector and LoRA, not the models it names.

    Args:
        folder: What ``hybrid train`` or `save_pretrained` wrote.
        name: ``owner/name``; the repository is made if there is none.
        private: Whether a new repository is private.

    Returns:
        The address of the commit.

    Raises:
        ModelError: If the folder is no model or is damaged, names a base that others do not have, or the hub
            refuses it.
    """
    small = (folder / ADAPTER).is_file()
    if small:
        _check_base(folder)
    elif not (folder / "config.json").is_file():
        raise ModelError(str(folder), f"holds neither {ADAPTER} nor config.json; give a model's folder")
    if get_token() is None:
        raise ModelError(name, "the hub wants to know who you are; hf auth login, or set HF_TOKEN")
    api = HfApi()
    try:
        repository = api.create_repo(name, private=private, exist_ok=True).repo_id
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Upload a hybrid captioner",
            allow_patterns=_SMALL if small else None,
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(name, f"the hub did not take it ({first_line(error)})") from None
    return str(commit.commit_url)


def _check_base(folder: Path) -> None:
    base = Base(**read_adapter(folder)["base"])
    for name in (base.model, base.vision, base.language, base.adapter):
        if name is not None and Path(name).is_absolute():
            raise ModelError(
                str(folder),
                f"is built on {name}, which only this machine has; train from names on the "
                "hub, or save a whole model with hybrid train --merge",
            )
