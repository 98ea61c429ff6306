"""Areas under ROC and precision-recall curves, each class against the rest, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from tlcore.evaluation.intervals import Estimate, bootstrap_logit

MOST_WORK = 400_000_000
"""Images times resamples times classes up to which there are intervals: some seconds."""


def estimate_areas(
    scores: Float32[np.ndarray, "images classes"], true: Bool[np.ndarray, "images classes"], *, resamples: int, seed: int
) -> tuple[list[Estimate], list[Estimate]]:
    """Return areas under the ROC curve and average precisions: of each class, then their means over classes.

    They are scikit-learn's ``roc_auc_score`` and ``average_precision_score``; ties are one threshold. The intervals are the
    bootstrap's over images. A resample without images of a class, or with nothing else, says nothing of it: the class counts
    there with the value measured. Beyond `MOST_WORK` there are no intervals.

    Args:
        scores: each class's probability.
        true: whether the image is of the class; each column holds both.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    images, classes = scores.shape
    rankings = [_Ranking(scores[:, index], true[:, index]) for index in range(classes)]
    measured = np.concatenate([ranking.areas(np.ones((1, images))) for ranking in rankings], axis=1)

    def statistic(rows: Int64[np.ndarray, "resamples images"]) -> Float64[np.ndarray, "measures resamples"]:
        offsets = images * np.arange(len(rows))[:, np.newaxis]
        weights = np.bincount((rows + offsets).ravel(), minlength=len(rows) * images).reshape(len(rows), images)
        found = np.stack([ranking.areas(weights.astype(np.float64)) for ranking in rankings], axis=1)
        found = np.where(np.isfinite(found), found, measured[:, :, np.newaxis])
        return np.concatenate([np.append(kind, kind.mean(axis=0, keepdims=True), axis=0) for kind in found])

    if images * resamples * classes > MOST_WORK:
        values = statistic(np.arange(images)[np.newaxis])[:, 0]
        estimates = [Estimate(float(value), None, None, "none") for value in values]
    else:
        estimates = bootstrap_logit(statistic, images, resamples=resamples, seed=seed)
    return estimates[: classes + 1], estimates[classes + 1 :]


class _Ranking:
    """One class's images by falling score, so that the areas of a resample are sums over weights."""

    def __init__(self, score: Float32[np.ndarray, " images"], true: Bool[np.ndarray, " images"]) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._true = true[self._order]
        ordered = score[self._order]
        self._ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(score) - 1)

    def areas(self, weights: Float64[np.ndarray, "resamples images"]) -> Float64[np.ndarray, "2 resamples"]:
        """Return the area under the ROC curve and the average precision where each image counts so often."""
        ordered = weights[:, self._order]
        hits = np.cumsum(ordered * self._true, axis=1)[:, self._ends]
        alarms = np.cumsum(ordered, axis=1)[:, self._ends] - hits
        new_hits = np.diff(hits, axis=1, prepend=0.0)
        new_alarms = np.diff(alarms, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            area = (new_alarms * (hits - new_hits / 2)).sum(axis=1) / (hits[:, -1] * alarms[:, -1])
            precision = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits + alarms > 0)
            average = (new_hits * precision).sum(axis=1) / hits[:, -1]
        return np.stack([area, np.where(np.isfinite(area), average, np.nan)])


def columns(labels: Int64[np.ndarray, " images"], classes: Sequence[int]) -> Bool[np.ndarray, "images classes"]:
    """Return for each image and class whether the image is of it."""
    found: np.ndarray = labels[:, np.newaxis] == np.array(classes)
    return found
