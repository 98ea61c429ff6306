"""Where images are classified: a few threads, a bounded queue before them, a deadline on everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from tlcore.server.models import ServedModel
from tlcore.server.refusal import Refusal

T = TypeVar("T")

Outputs = dict[str, np.ndarray]


class Engine:
    """Runs work in threads.

    Args:
        workers: how many at a time.
        queue: how many may wait.
        deadline: seconds each may take, waiting included.
        observe_batch: told the size of each batch that is computed.
    """

    def __init__(self, workers: int, queue: int, deadline: float, observe_batch: Callable[[int], None]) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tlcore-serve")
        self._most = workers + queue
        self._deadline = deadline
        self._observe_batch = observe_batch
        self.pending = 0
        self.submitted = 0

    async def submit(self, work: Callable[[float], T]) -> T:
        """Run ``work(deadline)`` in a thread; the deadline is a reading of `time.monotonic`.

        Raises:
            Refusal: 503 with Retry-After where the queue is full or the deadline has passed.
        """
        if self.pending >= self._most:
            raise Refusal(503, "the server is busy; try again", retry_after=1)
        deadline = time.monotonic() + self._deadline
        self.pending += 1
        self.submitted += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, _before, deadline, work)
        future.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(future)
        except TimeoutError:
            raise Refusal(503, f"no answer within {self._deadline:g} seconds", retry_after=2) from None

    def classify(self, model: ServedModel, pixels: np.ndarray, outputs: Sequence[str], deadline: float) -> Outputs:
        """Return a model's outputs for images, (images, height, width, 3); called in a thread of `submit`."""
        check_deadline(deadline)
        if model.line is not None and len(pixels) == 1:
            return model.line.run(pixels, outputs)
        self._observe_batch(len(pixels))
        return model.classifier.run(pixels, outputs)

    def close(self) -> None:
        """Let running work finish and take no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _finished(self, future: asyncio.Future[T]) -> None:
        self.pending -= 1
        if not future.cancelled():
            future.exception()  # taken here too, so that a result nobody waits for any longer is no warning


def check_deadline(deadline: float) -> None:
    """Raise `Refusal` 503 where the deadline has passed."""
    if time.monotonic() > deadline:
        raise Refusal(503, "the deadline passed before the image was computed", retry_after=2)


def _before(deadline: float, work: Callable[[float], T]) -> T:
    check_deadline(deadline)
    return work(deadline)
