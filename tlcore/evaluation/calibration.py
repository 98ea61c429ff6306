"""Whether a model is as sure of itself as it is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tlcore.evaluation.intervals import Estimate, bootstrap
from tlcore.evaluation.predictions import Predictions
from tlcore.metrics import Share

BINS = 15
"""Bins of equal width between 0 and 1, as in Guo et al. 2017."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The images whose confidence lies in one bin.

    Attributes:
        low, high: the bin's bounds; it includes `high`.
        confidence: mean of the bin's images.
        right: share of them that the model is right about.
    """

    low: float
    high: float
    confidence: float
    right: Share

    def to_dict(self) -> dict[str, Any]:
        """Return the bin as JSON-ready values."""
        return {"low": self.low, "high": self.high, "confidence": self.confidence, "right": self.right.to_dict()}


def reliability(predictions: Predictions) -> tuple[ReliabilityBin, ...]:
    """Return the reliability diagram's bins that hold images, from the least confident to the most."""
    bins = bin_of(predictions.confidence.astype(np.float64))
    found = []
    for index in np.unique(bins):
        inside = bins == index
        found.append(
            ReliabilityBin(
                low=float(index / BINS),
                high=float((index + 1) / BINS),
                confidence=float(predictions.confidence[inside].mean(dtype=np.float64)),
                right=Share.of(int(predictions.correct[inside].sum()), int(inside.sum())),
            )
        )
    return tuple(found)


def bin_of(confidence: Float64[np.ndarray, " images"]) -> Int64[np.ndarray, " images"]:
    """Return the bin of each confidence, in [0, BINS); a bin includes its upper bound."""
    found: np.ndarray = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(np.int64)
    return found


def error_interval(
    confidence: Float64[np.ndarray, " images"], correct: Bool[np.ndarray, " images"], *, resamples: int, seed: int
) -> Estimate:
    """Return the expected calibration error with its interval.

    The error is a mean of absolute values, so that it comes out too large with few images, above 0 even of a perfectly
    calibrated model, and a plain bootstrap of it misses the truth. So the interval is the bootstrap's distribution reflected
    about the estimate, and it reaches down to 0 where a perfectly calibrated model would show as large an error in one of
    20 samples of this size (consistency resampling): below 0 there is nothing, so that all 5 % lie on one side.

    Source: Guo et al. 2017, On calibration of modern neural networks; Bröcker and Smith 2007, Increasing the reliability of
    reliability diagrams.

    Args:
        confidence: probability of each image's likeliest class.
        correct: whether it is the true one.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    bins = bin_of(confidence)

    def error(rows: np.ndarray) -> np.ndarray:
        return _errors(bins[rows], confidence[rows] - correct[rows])[np.newaxis]

    found = bootstrap(error, len(bins), resamples=resamples, seed=seed, method="percentile")[0]
    if found.low is None or found.high is None:
        return found
    consistent = _consistent_error(bins, confidence, resamples, seed)
    low = max(0.0, 2 * found.value - found.high) if found.value > consistent else 0.0
    high = max(found.value, 2 * found.value - found.low)
    return Estimate(found.value, low, high, "bootstrap reflected")


def _consistent_error(bins: np.ndarray, confidence: np.ndarray, resamples: int, seed: int) -> float:
    """Return what one in 20 samples of a perfectly calibrated model with these confidences exceeds."""
    random = np.random.default_rng([seed, 1])
    errors = [
        _errors(bins[np.newaxis], (confidence - (random.random(len(bins)) < confidence))[np.newaxis])[0]
        for _ in range(resamples)
    ]
    return float(np.quantile(errors, 0.95))


def _errors(bins: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the expected calibration error of each row: the mean over images of its bin's absolute mean gap."""
    rows = len(bins)
    cells = bins + BINS * np.arange(rows)[:, np.newaxis]
    sums = np.bincount(cells.ravel(), gaps.ravel(), minlength=rows * BINS).reshape(rows, BINS)
    errors: np.ndarray = np.abs(sums).sum(axis=1) / bins.shape[1]
    return errors
