"""What decides which network timm makes of files, told without timm or torch: digests of the files, and versions."""

from __future__ import annotations

from pathlib import Path

from tlcore.specs import BackboneIdentity, identity_of_files
from tlcore_timm import FEATURED, HubOptions, LocalOptions, TimmOptions
from tlcore_timm.hub import download

PACKAGES = ("timm", "torch")


def of_registry(argument: str | None, options: TimmOptions) -> BackboneIdentity | None:
    """Identify pretrained weights of the featured names: each is kept in the repository ``timm/NAME``."""
    if argument not in FEATURED or not options.pretrained:
        return None
    return identity_of_files(_downloaded(f"timm/{argument}", ("model.safetensors",), options.revision), PACKAGES)


def of_hub(argument: str | None, options: HubOptions) -> BackboneIdentity | None:
    """Identify a repository's weights and configuration."""
    repository, _, revision = (argument or "").partition("@")
    if repository.count("/") != 1:
        return None
    files = _downloaded(repository, ("config.json", "model.safetensors"), revision or options.revision)
    return identity_of_files(files, PACKAGES)


def of_directory(argument: str | None, options: LocalOptions) -> BackboneIdentity | None:
    """Identify the weights and configuration in a directory."""
    if not argument:
        return None
    directory = Path(argument).expanduser()
    return identity_of_files([directory / "config.json", directory / "model.safetensors"], PACKAGES)


def _downloaded(repository: str, names: tuple[str, ...], revision: str | None) -> list[Path]:
    """Return a repository's files; raises what `download` does, as the factory would."""
    return [download(repository, name, revision) for name in names]
