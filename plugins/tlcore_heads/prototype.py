"""The prototype head: the class whose centroid is nearest, among centred features of length 1.

Source: Wang et al. 2019, SimpleShot: revisiting nearest-neighbor classification for few-shot learning (1911.04623). A logit
is minus the squared Euclidean distance times a scale. SimpleShot has no probabilities; here the scale is the one that
predicts the training images best when each is left out of its class's centroid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.head import Head, HeadData, HeadFit
from tlcore.metrics import fit_temperature
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.directions import Directions, FittedDirections, restore_directions, spread
from tlcore_heads.options import PrototypeOptions

SCALE = 10.0
"""Of squared distances where no image can be left out to choose by."""


def create(argument: str | None, options: PrototypeOptions) -> PrototypeHead:
    """Make the head."""
    return PrototypeHead(options)


class PrototypeHead(Head):
    """Nearest class centroid; see the module's text."""

    def __init__(self, options: PrototypeOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        progress(ProgressEvent("prototype head", 0, 2))
        logits = None
        if len(validation.labels):
            logits = self._fit(train.features, train.labels, classes)[0].compute_logits(validation.features)
        progress(ProgressEvent("prototype head", 1, 2))
        features = np.concatenate([train.features, validation.features])
        fitted, scale = self._fit(features, np.concatenate([train.labels, validation.labels]), classes)
        progress(ProgressEvent("prototype head", 2, 2))
        return HeadFit(
            head=fitted, validation_logits=logits, record={"scale": round(scale, 4), "centre": self._options.centre}
        )

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedDirections:
        return restore_directions(tensors, "prototype")

    def _fit(self, features: np.ndarray, labels: np.ndarray, classes: int) -> tuple[FittedDirections, float]:
        directions = Directions.of(features, self._options.centre)
        present, compact = np.unique(labels, return_inverse=True)
        points = directions.apply(features)
        sums = np.zeros((len(present), points.shape[1]), np.float64)
        np.add.at(sums, compact, points)
        counts = np.bincount(compact)
        centroids = (sums / counts[:, None]).astype(np.float32)
        left_out = _left_out_logits(points, compact, centroids, sums, counts)
        scale = SCALE / fit_temperature(SCALE * left_out[0], left_out[1]) if len(left_out[1]) else SCALE
        # |z - c|^2 = 1 - 2 z c + |c|^2, and two points of length 1 are at most 4 apart: so far is a class without images.
        weight, bias = spread(
            (2 * scale * centroids).astype(np.float32),
            (-scale * np.square(centroids).sum(axis=1)).astype(np.float32),
            present,
            classes,
            -3 * scale,
        )
        return FittedDirections(directions, weight, bias), scale


def _left_out_logits(
    points: Float32[np.ndarray, "images features"],
    labels: Int64[np.ndarray, " images"],
    centroids: Float32[np.ndarray, "classes features"],
    sums: np.ndarray,
    counts: np.ndarray,
) -> tuple[Float32[np.ndarray, "judged classes"], Int64[np.ndarray, " judged"]]:
    """Return logits of the images whose class has another, each left out of its own class's centroid, and their labels."""
    logits = 2 * points @ centroids.T - np.square(centroids).sum(axis=1)
    judged = np.flatnonzero(counts[labels] > 1)
    own = labels[judged]
    others = ((sums[own] - points[judged]) / (counts[own, None] - 1)).astype(np.float32)
    logits[judged, own] = 2 * (points[judged] * others).sum(axis=1) - np.square(others).sum(axis=1)
    return logits[judged].astype(np.float32), own
