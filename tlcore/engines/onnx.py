"""ONNX Runtime as engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.engines.graph import OUTPUT, feature_graph
from tlcore.engines.prepared import Network, Prepared
from tlcore.exported.onnx_file import INPUT
from tlcore.exported.runtime import open_session

_HEAVY = 20_000_000
_BATCH_OF_HEAVY = 8
"""Above so many parameters reading the weights costs as much as the arithmetic, so a call takes several images."""


def onnx_engine(backbone: Backbone, directory: Path | None) -> Engine:
    """Return an engine that opens its graph, and where need be exports it, when it is first used.

    Each call runs on one thread: images are independent, so as many calls at once as there are cores keep them all busy
    without the threads of one call waiting for each other.

    Args:
        backbone: with a `torch_embedder`.
        directory: the cache directory, where the graph is kept; None keeps none.
    """

    def prepare() -> Network:
        session = open_session(feature_graph(backbone, directory), threads=1, name=backbone.info.name)

        def compute(images: np.ndarray) -> np.ndarray:
            features: np.ndarray = session.run([OUTPUT], {INPUT: images})[0]
            return features

        return compute

    return Engine(
        name="onnx",
        precision="float32",
        backbone=backbone,
        batch_size=_BATCH_OF_HEAVY if backbone.info.parameters > _HEAVY else 1,
        parallel=True,
        compute=Prepared(prepare),
    )
