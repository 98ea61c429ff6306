"""A measure of robustness on disk: the plot and the numbers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tlcore.errors import VisualizationError
from tlcore.machine.atomic import new_directory
from tlcore.robustness.result import Robustness

RECORD_FILE = "robustness.json"
PLOT_FILE = "robustness.png"


def check_robustness_output(directory: Path, *, overwrite: bool) -> None:
    """Raise `VisualizationError` unless a measure may be written to `directory`.

    Nothing may be there, or an empty directory; with `overwrite` also an earlier measure, and nothing else.
    """
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise VisualizationError(f"{directory}: is a file; choose another place with --out")
    there = {path.name for path in directory.iterdir()}
    if not there:
        return
    if not there <= {RECORD_FILE, PLOT_FILE}:
        raise VisualizationError(f"{directory}: is a directory with other things in it; choose another place with --out")
    if not overwrite:
        raise VisualizationError(f"{directory}: holds an earlier measure; --overwrite replaces it, --out DIR goes elsewhere")


def save_robustness(measured: Robustness, directory: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write plot and numbers at once, and return the two files.

    Raises:
        VisualizationError: something else is at `directory`, or it cannot be written.
    """
    from tlcore.robustness.plot import plot_robustness

    directory = directory.absolute()
    check_robustness_output(directory, overwrite=overwrite)
    record = json.dumps(measured.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    plot = plot_robustness(measured)
    try:
        with new_directory(directory) as unfinished:
            (unfinished / PLOT_FILE).write_bytes(plot)
            (unfinished / RECORD_FILE).write_bytes(record.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise VisualizationError(
            f"{directory}: cannot be written: {error.strerror or error}; nothing was changed"
        ) from error
    return directory / PLOT_FILE, directory / RECORD_FILE
