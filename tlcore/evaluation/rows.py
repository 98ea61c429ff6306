"""Rows of numbers that are computed from an image's pixels and kept as features are, though they are something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import Backbone, BackboneInfo
from tlcore.engines.engine import Engine
from tlcore.errors import BackboneError
from tlcore.preprocess import Preprocess


def rows_engine(
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    name: str,
    row_size: int,
    preprocess: Preprocess,
    digest: str,
    batch_size: int,
) -> Engine:
    """Return an engine that gives one row per image.

    Args:
        compute: from pixels, (images, height, width, 3) uint8, to rows, (images, row_size) float32.
        name: of the model, for errors.
        row_size: length of a row.
        preprocess: how images become pixels.
        digest: of what computes, so that kept rows belong to it alone; empty where none are kept.
        batch_size: images per call.
    """
    info = BackboneInfo(
        name=name,
        architecture="rows",
        feature_size=row_size,
        preprocess=preprocess,
        weights_digest=digest,
        pretrained=True,
        parameters=0,
    )
    return Engine(
        name="onnx",
        precision="rows of an ONNX file",
        backbone=_Rows(info),
        batch_size=batch_size,
        parallel=False,
        compute=compute,
    )


class _Rows(Backbone):
    """What stands for the rows where an engine asks for a backbone."""

    def __init__(self, info: BackboneInfo) -> None:
        self._info = info

    @property
    def info(self) -> BackboneInfo:
        return self._info

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        raise BackboneError(f"{self._info.name}: rows are computed from pixels, not from normalised inputs")
