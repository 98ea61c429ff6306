"""Several requests' images computed in one call of the network, without anybody waiting for a batch to fill."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tlcore.exported.classifier import Classifier


@dataclass
class _Waiting:
    pixels: np.ndarray
    done: threading.Event = field(default_factory=threading.Event)
    outputs: dict[str, np.ndarray] | None = None
    error: BaseException | None = None


class Line:
    """Images of one model that wait; whichever thread has the turn computes for all of them.

    Args:
        classifier: what computes.
        most: images at once.
        observe: told the size of each batch.
    """

    def __init__(self, classifier: Classifier, most: int, observe: Callable[[int], None]) -> None:
        self._classifier = classifier
        self._most = most
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()

    def run(self, pixels: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the named outputs of one image, (1, height, width, 3)."""
        own = _Waiting(pixels)
        self._waiting.append(own)
        while not own.done.is_set():
            with self._turn:
                if not own.done.is_set():
                    self._compute([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])
        if own.error is not None:
            raise own.error
        assert own.outputs is not None
        return {name: own.outputs[name] for name in outputs}

    def _compute(self, batch: list[_Waiting]) -> None:
        self._observe(len(batch))
        try:
            found = self._classifier.run(np.concatenate([entry.pixels for entry in batch]), self._classifier.outputs)
            for index, entry in enumerate(batch):
                entry.outputs = {name: values[index : index + 1] for name, values in found.items()}
        except Exception as error:  # noqa: BLE001  handed to each request that waits
            for entry in batch:
                entry.error = error
        finally:
            for entry in batch:
                entry.done.set()
