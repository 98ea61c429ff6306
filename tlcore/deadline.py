"""A time after which work stops, looked at wherever it reports progress."""

from __future__ import annotations

import time

from tlcore.progress import Progress, ProgressEvent


class OutOfTimeError(Exception):
    """The time that was given is over. Raised out of progress callbacks, and caught by who set the deadline."""


class Deadline:
    """A time after which work stops.

    Args:
        seconds: from now; None never ends.

    Examples:
        >>> from tlcore.progress import silent
        >>> Deadline(0.0).watch(silent)(ProgressEvent("stage", 1, 2))
        Traceback (most recent call last):
        ...
        tlcore.deadline.OutOfTimeError
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = time.monotonic() + seconds if seconds is not None else float("inf")

    def check(self) -> None:
        """Raise `OutOfTimeError` if the time is over."""
        if time.monotonic() >= self._end:
            raise OutOfTimeError

    def watch(self, progress: Progress) -> Progress:
        """Return a progress callback that passes events on and raises `OutOfTimeError` once the time is over."""

        def report(event: ProgressEvent) -> None:
            progress(event)
            self.check()

        return report
