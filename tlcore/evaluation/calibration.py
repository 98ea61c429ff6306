"""Whether a model is as sure of itself as it is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tlcore.evaluation.intervals import Estimate
from tlcore.evaluation.predictions import Predictions
from tlcore.metrics import Share

BINS = 15
"""Bins of equal width between 0 and 1, as in Guo et al. 2017."""

_MOST_FACTOR = 20.0
"""A calibration error that is this many times what was measured is not looked for."""


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
    calibrated model, and a bootstrap of it misses the truth. So the interval holds the true errors that what was measured
    does not refuse (Neyman 1937, the inversion of a test): from one that would show as large an error in 2.5 % of samples of
    this size to one that would show as small an error in 2.5 %. How a true error lies on the bins is drawn as what was
    measured varies; samples of it vary in how many images fall into a bin, and how many are right. A true error so small
    that a perfectly calibrated model shows more in 97.5 % of samples is not refused for a small measure, so that its 5 %
    lie on one side; 0 is refused by drawing answers as likely to be right as they are said to be (consistency resampling).

    Source: Guo et al. 2017, On calibration of modern neural networks; Bröcker and Smith 2007, Increasing the reliability of
    reliability diagrams.

    Args:
        confidence: probability of each image's likeliest class.
        correct: whether it is the true one.
        resamples: samples to draw.
        seed: of the drawing.
    """
    bins = bin_of(confidence)
    gaps = np.bincount(bins, confidence - correct, minlength=BINS)
    error = float(_errors(gaps[np.newaxis], len(bins))[0])
    if len(bins) < 2:
        return Estimate(error, None, None, "none")
    random = np.random.default_rng([seed, 1])
    sizes, noise = _variation(bins, confidence, correct, resamples, random)
    drawn = gaps * sizes + noise
    true = drawn * (error / np.maximum(_errors(drawn, len(bins)), 1e-12))[:, np.newaxis]
    sizes, noise = _variation(bins, confidence, correct, resamples, random)

    def quantile(factor: float, level: float) -> float:
        return float(np.quantile(_errors(factor * true * sizes + noise, len(bins)), level))

    def refused(level: float, most: float) -> float:
        return error * _crossing(lambda factor: quantile(factor, level), error, most=most)

    least = quantile(0.0, 0.025)
    low = refused(0.95, 1.0) if error > _consistent_error(bins, confidence, resamples, random) else 0.0
    if low > least:
        low = max(least, refused(0.975, 1.0))
    high = max(error, refused(0.025, _MOST_FACTOR))
    return Estimate(error, low, min(1.0, high), "test inversion")


def _variation(
    bins: np.ndarray, confidence: np.ndarray, correct: np.ndarray, resamples: int, random: np.random.Generator
) -> tuple[Float64[np.ndarray, "resamples bins"], Float64[np.ndarray, "resamples bins"]]:
    """Return how samples vary: each bin's images as a share of those it has, and what is added to its sum of gaps.

    The share that is right is drawn towards the mean confidence by the weight of one image, so that a bin without a mistake
    still varies.
    """
    images = np.bincount(bins, minlength=BINS)
    expected = np.bincount(bins, confidence, minlength=BINS) / np.maximum(images, 1)
    right = (np.bincount(bins, correct, minlength=BINS) + expected) / (images + 1)
    sizes = random.multinomial(len(bins), images / len(bins), resamples) / np.maximum(images, 1)
    return sizes, np.sqrt(images * right * (1 - right)) * random.standard_normal((resamples, BINS))


def _consistent_error(bins: np.ndarray, confidence: np.ndarray, resamples: int, random: np.random.Generator) -> float:
    """Return what one in 20 samples of a perfectly calibrated model with these confidences exceeds."""
    sums = []
    for _ in range(resamples):
        gaps = confidence - (random.random(len(bins)) < confidence)
        sums.append(np.bincount(bins, gaps, minlength=BINS))
    return float(np.quantile(_errors(np.stack(sums), len(bins)), 0.95))


def _crossing(rising: Callable[[float], float], level: float, *, most: float) -> float:
    """Return where a rising function reaches a level, between 0 and `most`, to one part in a thousand."""
    below, above = 0.0, most
    while above - below > 1e-3:
        middle = (below + above) / 2
        below, above = (middle, above) if rising(middle) < level else (below, middle)
    return (below + above) / 2


def _errors(gaps: Float64[np.ndarray, "rows bins"], images: int) -> Float64[np.ndarray, " rows"]:
    """Return each row's expected calibration error from its bins' sums of gaps: the images' mean of absolute mean gaps."""
    errors: np.ndarray = np.abs(gaps).sum(axis=1) / images
    return errors
