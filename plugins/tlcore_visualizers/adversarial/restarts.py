"""Beginning again from another random place, with the images that are not fooled yet."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Best

Search = Callable[[int, torch.Tensor, Progress], None]
"""One search from one start: given which restart it is, for which images, (rows,) int64, and where to report its steps."""


def search_again(best: Best, search: Search, *, stage: str, restarts: int, steps: int, progress: Progress) -> None:
    """Search once, and again as often as allowed while an image is not fooled.

    Args:
        best: of all images; what a search offers to it ends that image's part.
        search: see `Search`; given 0, 1, ... of `restarts`.
        stage: what progress is called.
        restarts: how often to begin again.
        steps: of one search.
        progress: told the steps done of all that may come.
    """
    total = steps * (restarts + 1)
    for restart in range(restarts + 1):
        rows = best.open_rows
        if len(rows) == 0:
            break
        search(restart, rows, _after(progress, restart * steps, total))
    progress(ProgressEvent(stage, total, total))


def _after(progress: Progress, before: int, total: int) -> Progress:
    """Return where one search reports its steps: they are added to those before it."""
    return lambda event: progress(ProgressEvent(event.stage, before + event.done, total))
