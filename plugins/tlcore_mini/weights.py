"""The files of a network: configuration and tensors, read with a check of their digest, without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from tlcore.errors import BackboneError

PACKAGED = Path(__file__).parent / "weights"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A network's configuration, as timm writes it, and its tensors by name (numpy arrays, as stored)."""

    config: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray] = field(repr=False)


def read_packaged() -> Weights:
    """Read the network that came with tlcore.

    Raises:
        BackboneError: a file is missing or is not the one that was packaged; says which and what to do.
    """
    return Weights(config=json.loads(_packaged("config.json")), tensors=load(_packaged("model.safetensors")))


def read_directory(directory: Path) -> Weights:
    """Read a directory that holds config.json and model.safetensors.

    Raises:
        BackboneError: a file is missing or damaged, or belongs to a network of another architecture.
    """
    for name in ("config.json", "model.safetensors"):
        if not (directory / name).is_file():
            raise BackboneError(
                f"mini-dir: {directory / name} is missing; the directory should hold config.json and model.safetensors"
            )
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        architecture = config["architecture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"mini-dir: {directory}: config.json is not a timm configuration: {error!r}") from error
    ours = json.loads(_packaged("config.json"))
    if architecture != ours["architecture"] or config.get("model_args") != ours["model_args"]:
        raise BackboneError(f"mini-dir: {directory} holds another network ({architecture}); use 'local-dir:{directory}'")
    try:
        tensors = load((directory / "model.safetensors").read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise BackboneError(f"mini-dir: {directory}: the weights file is damaged: {error}") from error
    return Weights(config=config, tensors=tensors)


def _packaged(name: str) -> bytes:
    """Return the content of a file that came with tlcore, once its digest is found to be the listed one."""
    listed = PACKAGED / "digests.json"
    try:
        expected = str(json.loads(_read(listed))[name])
    except (ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"mini: {listed} is damaged ({error!r}); install tlcore again") from error
    content = _read(PACKAGED / name)
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BackboneError(
            f"mini: {PACKAGED / name} is damaged: expected SHA-256 {expected[:12]}..., found {found[:12]}...; "
            "install tlcore again"
        )
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackboneError(f"mini: {path} cannot be read ({error.strerror}); install tlcore again") from error
