"""Files of a Hugging Face repository: from the cache, or downloaded once."""

from __future__ import annotations

from pathlib import Path

from tlcore.errors import BackboneError, WeightsUnavailableError
from tlcore.machine.network import can_connect


def download(repository: str, file_name: str, revision: str | None) -> Path:
    """Return the local path of a repository's file, downloading it (with a progress bar) unless it is cached.

    With no network, or with ``HF_HUB_OFFLINE`` set, only the cache is used.

    Raises:
        WeightsUnavailableError: it is neither cached nor is there a network; says what is missing and what to do.
        BackboneError: the repository has no such file, or the download failed.
    """
    import httpx
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    offline = constants.HF_HUB_OFFLINE or not can_connect(constants.ENDPOINT)
    try:
        return Path(hf_hub_download(repository, file_name, revision=revision, local_files_only=offline))
    except LocalEntryNotFoundError as error:
        why = "offline mode is on" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} cannot be reached"
        raise WeightsUnavailableError(
            f"{file_name} of {repository} is not in the cache ({constants.HF_HUB_CACHE}) and {why}; copy the files "
            f"config.json and model.safetensors to a directory and use 'local-dir:PATH', or run once with a network"
        ) from error
    except EntryNotFoundError as error:
        raise BackboneError(
            f"{repository} has no {file_name}; tlcore reads timm repositories in safetensors format"
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise BackboneError(f"{file_name} of {repository} cannot be downloaded: {told[0]}") from error
