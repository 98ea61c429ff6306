"""How far a drawing has come, by its steps or by the clock: what its noise, step length and views depend on."""

from __future__ import annotations

import time
from collections.abc import Callable

Pace = Callable[[int], float]
"""Given how many steps were made, returns the share of the drawing that is done; from 1 on it is finished."""


def by_steps(steps: int, deadline: float | None = None) -> Pace:
    """Return the pace of so many steps, at least one; after the deadline, of `time.monotonic`, it is finished anyway."""

    def pace(done: int) -> float:
        late = deadline is not None and done > 0 and time.monotonic() >= deadline
        return 1.0 if late else done / steps

    return pace


def by_clock(end: float) -> Pace:
    """Return the pace from now to an end, of `time.monotonic`, with at least one step, however many there are."""
    start = time.monotonic()

    def pace(done: int) -> float:
        return (time.monotonic() - start) / (end - start) if done and end > start else float(done)

    return pace
