"""What decides which network is made of our files, told without timm or torch: digests of the files, and versions."""

from __future__ import annotations

from pathlib import Path

from tlcore.specs import BackboneIdentity, identity_of_files
from tlcore_mini import DirectoryOptions, MiniOptions
from tlcore_mini.weights import PACKAGED

PACKAGES = ("timm", "torch")


def of_package(argument: str | None, options: MiniOptions) -> BackboneIdentity | None:
    """Identify the weights that came with tlcore."""
    return _identity(PACKAGED) if argument is None and options.pretrained else None


def of_directory(argument: str | None, options: DirectoryOptions) -> BackboneIdentity | None:
    """Identify the weights and configuration in a directory."""
    return _identity(Path(argument).expanduser()) if argument else None


def _identity(directory: Path) -> BackboneIdentity | None:
    return identity_of_files([directory / "config.json", directory / "model.safetensors"], PACKAGES)
