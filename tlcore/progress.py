"""Progress and cancellation: a long-running function calls `progress(event)`; the caller shows it, or raises to cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressEvent:
    """How far one stage has come.

    Attributes:
        stage: what is being done, for instance ``"features"``.
        done: how many steps are finished.
        total: how many there are, or None while unknown.
        detail: what else there is to say at this moment, in a few words.
    """

    stage: str
    done: int
    total: int | None = None
    detail: str = ""


Progress = Callable[[ProgressEvent], None]
"""Called between steps, from the thread that called the long-running function. An exception it raises cancels the work
and reaches that caller unchanged; nothing half-made is left behind."""


def silent(event: ProgressEvent) -> None:
    """Show nothing: the default everywhere in the library."""
