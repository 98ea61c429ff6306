"""What people see: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tlcore.progress import Progress as Report
from tlcore.progress import ProgressEvent, silent
from tlcore_cli.printable import printable

if TYPE_CHECKING:
    from tlcore.dataset import LeftOut

_PIPED_WIDTH = 200
_ERASE_LINE = "\r\x1b[2K"


def results() -> Console:
    """Return the console for results: stdout, wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False, soft_wrap=not sys.stdout.isatty())


def notes(quiet: bool = False) -> Console:
    """Return the console for what accompanies results: stderr."""
    return Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


def shown(text: str) -> str:
    """Return text from outside as it may stand in what Rich prints: no markup, no control characters."""
    return escape(printable(text))


def print_json(document: Any) -> None:
    """Print one JSON document, alone on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table; columns whose name starts with ``>`` are right-aligned."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(shown(str(cell)) for cell in row))
    return made


def tell_left_out(left_out: Sequence[LeftOut], quiet: bool, first: int = 10) -> None:
    """List what could not be used, the first few by name."""
    if not left_out:
        return
    console = notes(quiet)
    console.print(f"[yellow]left out: {len(left_out)}[/yellow]")
    for entry in left_out[:first]:
        console.print(f"  {shown(entry.reason)}")
    if len(left_out) > first:
        console.print(f"  and {len(left_out) - first} more (--json lists them all)")


@contextmanager
def progress(quiet: bool) -> Iterator[Report]:
    """Give a progress callback that draws bars on stderr, below a word until the first event.

    That word is plain text: a download on the way there draws a bar of its own. Nothing is drawn with ``--quiet`` or where
    stderr is no terminal.
    """
    console = notes()
    if quiet or not console.is_terminal or os.environ.get("TERM") == "dumb":
        yield silent
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    bars = Progress(*columns, console=console, transient=True)
    tasks: dict[str, TaskID] = {}
    last: dict[str, float] = {}

    def report(event: ProgressEvent) -> None:
        if not tasks:
            sys.stderr.write(_ERASE_LINE)
            bars.start()
        if event.stage not in tasks:
            tasks[event.stage] = bars.add_task(shown(event.stage), total=event.total, detail="")
        if event.done == event.total or time.monotonic() - last.get(event.stage, 0.0) > 0.1:
            last[event.stage] = time.monotonic()
            bars.update(tasks[event.stage], completed=event.done, total=event.total, detail=shown(event.detail))

    sys.stderr.write("loading ...")
    sys.stderr.flush()
    try:
        yield report
    finally:
        if tasks:
            bars.stop()
        else:
            sys.stderr.write(_ERASE_LINE)
