"""Engines whose network is prepared at the first call."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.errors import BackboneError

REDUCED = "torch bfloat16"
"""Name and precision of torch on a processor."""

CPU_BATCH = 8
"""Images of one of its calls."""

Network = Callable[[np.ndarray], np.ndarray]
"""From preprocessed pixels, (images, height, width, 3) uint8, to (images, features) float32."""


class Prepared:
    """A network prepared at the first call; calls may come from several threads."""

    def __init__(self, prepare: Callable[[], Network]) -> None:
        self._prepare: Callable[[], Network] | None = prepare
        self._lock = Lock()
        self._network: Network | None = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features of images."""
        with self._lock:
            if self._network is None:
                assert self._prepare is not None
                self._network = self._prepare()
                self._prepare = None  # and whatever it held
        return self._network(images)


def reduced_engine(backbone: Backbone, prepare: Callable[[], Network]) -> Engine:
    """Return torch in bfloat16 on the processor, one thread a call, as an engine."""
    name, _, precision = REDUCED.partition(" ")
    return Engine(
        name=name,
        precision=precision,
        backbone=backbone,
        batch_size=CPU_BATCH,
        parallel=True,
        compute=Prepared(prepare),
    )


def unprepared_engine(backbone: Backbone) -> Engine:
    """Return the engine that was found before to run a backbone in bfloat16, without importing torch or building anything.

    Its first call raises `BackboneError` where torch can no longer do so here.
    """

    def prepare() -> Network:
        from tlcore.engines.torch import torch_engine

        made = torch_engine(backbone)
        if made is None or f"{made.name} {made.precision}" != REDUCED:
            raise BackboneError(
                f"backbone {backbone.info.name} ran in bfloat16 before and cannot now; 'tl cache clear engines' forgets that"
            )
        return made.compute

    return reduced_engine(backbone, prepare)
