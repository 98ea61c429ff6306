"""Checkpoints of a run: a directory with safetensors and JSON, put in place at once, and no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tlcore.errors import FineTuneError
from tlcore.fine_tuner import CHECKPOINT_FOLDER
from tlcore.machine.atomic import new_directory

FORMAT_VERSION = 1
_TENSORS, _STATE = "tensors.safetensors", "state.json"


def save(directory: Path, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: Mapping[str, Any]) -> None:
    """Write a checkpoint in the run's folder; the one before it is there until this one is whole.

    Args:
        directory: the run's folder.
        tensors: group (``"network"``, ``"best"``, ...) to name to tensor.
        state: everything else, JSON-ready.

    Raises:
        FineTuneError: it cannot be written; the one before it is kept.
    """
    flat = {f"{group}/{name}": tensor.cpu().contiguous() for group, own in tensors.items() for name, tensor in own.items()}
    try:
        with new_directory(directory / CHECKPOINT_FOLDER) as unfinished:
            save_file({name: tensor.clone() for name, tensor in flat.items()}, unfinished / _TENSORS)
            document = {"format_version": FORMAT_VERSION, **state}
            (unfinished / _STATE).write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        told = getattr(error, "strerror", None) or error
        raise FineTuneError(
            f"{directory / CHECKPOINT_FOLDER}: the checkpoint cannot be written: {told}; the last one is kept"
        ) from error


def load(directory: Path, task: str) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]] | None:
    """Read the checkpoint in a run's folder; None where there is none.

    Args:
        directory: the run's folder.
        task: digest of what is trained, on what and how; a checkpoint of another is refused.

    Raises:
        FineTuneError: it is damaged, made by a newer version, or of another task.
    """
    folder = directory / CHECKPOINT_FOLDER
    if not folder.exists():
        return None
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        flat = load_file(folder / _TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise FineTuneError(f"{folder}: the checkpoint is damaged ({error}); remove it to begin the run anew") from error
    if state.get("format_version") != FORMAT_VERSION:
        raise FineTuneError(
            f"{folder}: checkpoint version {state.get('format_version')!r}, this tlcore reads {FORMAT_VERSION}"
        )
    if state.get("task") != task:
        raise FineTuneError(
            f"{folder}: is of other images, options or classes than these; go on as it was begun, or choose another folder"
        )
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        group, _, own = name.partition("/")
        tensors.setdefault(group, {})[own] = tensor
    return tensors, state


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return an optimizer's tensors by name, and the rest of its state as JSON-ready values."""
    state = optimizer.state_dict()
    tensors, plain = {}, []
    for index, name, value in _entries(state):
        if isinstance(value, torch.Tensor):
            tensors[f"{index}.{name}"] = value
        else:
            plain.append([index, name, value])
    return tensors, {"groups": state["param_groups"], "plain": plain}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], rest: Mapping[str, Any]
) -> None:
    """Put back what `optimizer_state` returned.

    Tensors shaped like their weights get the memory layout of these, in which they were: elementwise arithmetic in another
    layout may differ in the last bit.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, _, own = name.partition(".")
        like = parameters[int(index)]
        laid_out = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[own] = laid_out
    for index, own, value in rest["plain"]:
        state.setdefault(index, {})[own] = value
    groups = [{**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in rest["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _entries(state: Mapping[str, Any]) -> Iterator[tuple[int, str, Any]]:
    for index, own in state["state"].items():
        for name, value in own.items():
            yield index, name, value
