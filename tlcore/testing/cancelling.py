"""The check that an exception which `progress` raises comes through: how everything in tlcore is cancelled."""

from __future__ import annotations

from collections.abc import Callable

from tlcore.progress import Progress, ProgressEvent
from tlcore.testing.conformance import expect


class Cancelled(Exception):
    """What the check's progress callback raises."""


def expect_cancels(work: Callable[[Progress], object], name: str, *, at: int = 1) -> int:
    """Raise from the callback when it is called for the `at`-th time, and expect that exception to come through.

    Args:
        work: does something, given the callback.
        name: of what is checked, for the failure's text.
        at: the call that raises, from 1.

    Returns:
        how often the callback was called; fewer than `at` where the work was over before.

    Raises:
        ConformanceFailure: the exception was swallowed.
    """
    calls = 0

    def cancel(event: ProgressEvent) -> None:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise Cancelled

    try:
        work(cancel)
    except Cancelled:
        return calls
    expect(calls < at, f"{name}: swallowed the exception that its progress callback raised to cancel")
    return calls
