"""The folder of a fine-tuning run: how it was asked for, so that it can be gone on with after whatever ended it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tlcore.data.splits import SplitFractions
from tlcore.errors import FineTuneError
from tlcore.fine_tuner import CHECKPOINT_FOLDER
from tlcore.machine.atomic import write_file
from tlcore.training.options import TrainOptions
from tlcore.version import __version__

FILE = "run.json"
FORMAT_VERSION = 1
_PATHS = ("exclude", "split_from")


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a run was asked for.

    Attributes:
        dataset: its name or path, as given.
        output: where the bundle goes.
        options: how to train; ``options.run`` is the run's folder.
        finished: whether the bundle was saved.
    """

    dataset: str
    output: Path
    options: TrainOptions
    finished: bool = False

    @property
    def directory(self) -> Path:
        """The run's folder: what the options say, or the output's name with ``.run`` added."""
        given = self.options.run
        return given if given is not None else self.output.with_name(f"{self.output.resolve().name}.run")


def check_run(request: RunRequest) -> None:
    """Raise `FineTuneError` unless the run's folder is free, holds a finished run, or this one's beginning."""
    directory = request.directory
    if not directory.is_dir() or not any(directory.iterdir()):
        return
    if not (directory / FILE).is_file():
        raise FineTuneError(f"{directory}: has other things in it and no run; choose another folder with --run")
    earlier = read_run(directory)
    unfinished = not earlier.finished and (directory / CHECKPOINT_FOLDER).exists()
    if unfinished and _document(earlier) != _document(request):
        raise FineTuneError(
            f"{directory}: holds an unfinished run; go on with 'tl train --resume {directory}', or remove it, "
            "or choose another folder with --run"
        )


def begin_run(request: RunRequest) -> Path:
    """Make the run's folder, or take it as it is where it holds this run's beginning; return it."""
    check_run(request)
    directory = request.directory
    if (directory / FILE).is_file():
        earlier = read_run(directory)
        if not earlier.finished and _document(earlier) == _document(request):
            return directory
        shutil.rmtree(directory)
    _write(request, finished=False)
    return directory


def finish_run(request: RunRequest) -> None:
    """Note that the bundle is saved, and remove the checkpoint; logs stay."""
    _write(request, finished=True)
    shutil.rmtree(request.directory / CHECKPOINT_FOLDER, ignore_errors=True)


def read_run(directory: Path) -> RunRequest:
    """Return what a run was asked for; relative paths are taken from where it was begun.

    Raises:
        FineTuneError: there is no run, or its record is damaged.
    """
    path = directory / FILE
    if not path.is_file():
        raise FineTuneError(f"{directory}: holds no run ({FILE} is missing); 'tl train ... --finetune NAME' begins one")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format_version"] != FORMAT_VERSION:
            raise FineTuneError(f"{path}: version {document['format_version']!r}, this tlcore reads {FORMAT_VERSION}")
        begun_in = Path(document["directory"])
        values = {field.name: document["options"].get(field.name) for field in fields(TrainOptions)}
        values |= {name: Path(_found(values[name], begun_in)) if values[name] else None for name in _PATHS}
        values |= {"fractions": SplitFractions(**values["fractions"]), "observers": tuple(values["observers"])}
        return RunRequest(
            dataset=_found(document["dataset"], begun_in)
            if (begun_in / document["dataset"]).exists()
            else document["dataset"],
            output=Path(_found(document["output"], begun_in)),
            options=TrainOptions(**{**values, "run": directory}),
            finished=document["finished"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FineTuneError(f"{path}: damaged: {error!r}; begin the run anew in another folder") from error


def _found(text: str, begun_in: Path) -> str:
    """Return a path or name as given where this process is in the same folder, else a path in full."""
    return text if begun_in == Path.cwd() or os.path.isabs(text) else str(begun_in / text)


def _write(request: RunRequest, *, finished: bool) -> None:
    document = {"format_version": FORMAT_VERSION, "tlcore": __version__, "directory": str(Path.cwd()), **_document(request)}
    try:
        write_file(request.directory / FILE, (json.dumps({**document, "finished": finished}, indent=2) + "\n").encode())
    except OSError as error:
        raise FineTuneError(f"{request.directory}: the run's folder cannot be written: {error.strerror or error}") from error


def _document(request: RunRequest) -> dict[str, Any]:
    options = {name: _plain(value) for name, value in asdict(request.options).items() if name != "run"}
    return {"dataset": request.dataset, "output": str(request.output), "options": options}


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    return list(value) if isinstance(value, tuple) else value
