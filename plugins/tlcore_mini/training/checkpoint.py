"""Checkpoints without pickle: tensors in safetensors, the rest in JSON, each written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes `tensors` to `path`, atomically."""
    unfinished = path.with_suffix(".unfinished")
    contiguous = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    save_file(contiguous, unfinished, metadata)
    os.replace(unfinished, path)


def save_json(record: Any, path: Path) -> None:
    """Writes `record` to `path`, atomically."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record, indent=2))
    os.replace(unfinished, path)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is: steps done, seconds spent, and the measured curve."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


def save(
    folder: Path, progress: Progress, student: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Saves everything that a resumed run needs; 'state.json' goes last and names the file that belongs to it."""
    tensors = {f"student.{name}": tensor for name, tensor in student.state_dict().items()}
    tensors |= {f"averaged.{name}": tensor for name, tensor in averaged.state_dict().items()}
    state = optimiser.state_dict()
    scalars: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
            else:
                scalars[f"{index}.{name}"] = value
    path = folder / f"checkpoint-{progress.step}.safetensors"
    save_tensors(tensors, path)
    record = {"file": path.name, "optimiser_scalars": scalars, "progress": asdict(progress)}
    save_json(record, folder / "state.json")
    for other in folder.glob("checkpoint-*.safetensors"):
        if other != path:
            other.unlink()


def load(folder: Path, student: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Restores what `save` wrote and returns how far it is."""
    if not (folder / "state.json").exists():
        return Progress()
    record = json.loads((folder / "state.json").read_text())
    tensors = load_file(folder / record["file"])
    student.load_state_dict(_under(tensors, "student."))
    averaged.load_state_dict(_under(tensors, "averaged."))
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*_under(tensors, "optimiser.").items(), *record["optimiser_scalars"].items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(**record["progress"])


def average(runs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of several runs (Wortsman et al. 2022, 'model soups'); whole numbers are the last run's."""
    return {
        name: torch.stack([run[name] for run in runs]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in runs[-1].items()
    }


def load_averaged(folders: Sequence[Path], student: nn.Module) -> None:
    """Puts the mean of the averaged weights of the runs in `folders` into `student`. Raises FileNotFoundError where a folder
    holds no run."""
    files = [folder / json.loads((folder / "state.json").read_text())["file"] for folder in folders]
    student.load_state_dict(average([_under(load_file(file), "averaged.") for file in files]))


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
