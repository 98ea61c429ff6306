"""A figure as a file."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from tlcore.errors import TlcoreError
from tlcore.machine.atomic import write_file


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, at once or not at all.

    Raises:
        TlcoreError: it cannot be written there.
    """
    held = io.BytesIO()
    figure.savefig(held, format="png")
    try:
        write_file(path, held.getvalue())
    except OSError as error:
        raise TlcoreError(f"{path}: the plot cannot be written: {error.strerror or error}") from error
