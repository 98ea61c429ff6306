"""What `tl train` does around a fine-tuning run: going on with one, and ending it so that it can be gone on with."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tlcore.training.run_folder import RunRequest

_BESIDE_RESUME = ("resume", "as_json", "no_cache")
_INTERRUPTED, _TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM, as shells give them."""


def is_reporting() -> bool:
    """Return whether this process prints: the main one of those that train together."""
    from tlcore.machine.processes import is_main_process

    return is_main_process()


def read_request(context: click.Context, run: Path) -> RunRequest:
    """Return what the run in a folder was asked for.

    Raises:
        click.UsageError: other options of training were given too: the run has its own.
        FineTuneError: there is no run, or it is finished.
    """
    from click.core import ParameterSource

    from tlcore.errors import FineTuneError
    from tlcore.training.run_folder import read_run

    given = [
        name
        for name in context.params
        if name not in _BESIDE_RESUME and context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"--resume takes everything from the run; leave out {', '.join(given)}", context)
    request = read_run(run)
    if request.finished:
        raise FineTuneError(f"{run}: is finished; its bundle is {request.output}")
    return request


@contextmanager
def interruptible(context: click.Context, request: RunRequest) -> Iterator[None]:
    """Run a block that SIGTERM ends like Ctrl-C; where that leaves a run to go on with, say how, and leave."""
    if request.options.finetune is None:
        yield
        return
    terminated = threading.Event()

    def terminate(number: int, frame: FrameType | None) -> None:
        terminated.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        if is_reporting():
            click.echo(f"tl: {'terminated' if terminated.is_set() else 'interrupted'}{_how_to_go_on(request)}", err=True)
        context.exit(_TERMINATED if terminated.is_set() else _INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _how_to_go_on(request: RunRequest) -> str:
    from tlcore.fine_tuner import CHECKPOINT_FOLDER
    from tlcore.training.run_folder import FILE

    if not (request.directory / FILE).is_file():
        return " before fine-tuning began; nothing was left half-made"
    try:
        state = json.loads((request.directory / CHECKPOINT_FOLDER / "state.json").read_text(encoding="utf-8"))
        where = f" after update {state['run']['step']}"
    except (OSError, ValueError, KeyError, TypeError):
        where = ""
    return f"{where}; go on with: tl train --resume {request.directory}"
