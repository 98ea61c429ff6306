"""How unlike the training images an image is: the distance to its nearest ones in feature space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from tlcore.metrics import Share

_MOST_NEIGHBOURS = 50
_LEAST_HELD_OUT = 50
"""With fewer held-out images than this the threshold comes from the training images, each left out once."""


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """How unlike the training images the measured images are.

    Source: Sun, Ming, Zhu and Li 2022, Out-of-distribution detection with deep nearest neighbors: the Euclidean distance
    between features of length one, to the k-th nearest training image. The threshold is the conformal quantile of images
    known to be familiar (Vovk, Gammerman and Shafer 2005), so that a new familiar image exceeds it
    at most as often as stated.

    Attributes:
        scores: distance of each measured image, in [0, 2]; larger is less familiar.
        familiar: distances of the images the threshold was chosen on.
        threshold: above it an image counts as unfamiliar; None where too few images are known to be familiar.
        false_alarm_rate: the stated one.
        neighbours: k.
        reference: how many training images distances are taken to.
        held_out: whether the threshold was chosen on images held out of training, else on training images left out one by
            one.
        flagged: share of the measured images that counts as unfamiliar; None without a threshold.
    """

    scores: Float64[np.ndarray, " images"] = field(repr=False)
    familiar: Float64[np.ndarray, " others"] = field(repr=False)
    threshold: float | None
    false_alarm_rate: float
    neighbours: int
    reference: int
    held_out: bool
    flagged: Share | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "threshold": self.threshold,
            "false_alarm_rate": self.false_alarm_rate,
            "neighbours": self.neighbours,
            "reference": self.reference,
            "held_out": self.held_out,
            "flagged": self.flagged.to_dict() if self.flagged else None,
        }

    @property
    def unfamiliar(self) -> Bool[np.ndarray, " images"]:
        """Which of the measured images count as unfamiliar."""
        found: np.ndarray = self.scores > (self.threshold if self.threshold is not None else np.inf)
        return found


def measure_novelty(
    features: Float32[np.ndarray, "images features"],
    reference: Float32[np.ndarray, "others features"],
    held_out: Float32[np.ndarray, "more features"],
    *,
    false_alarm_rate: float,
) -> Novelty:
    """Measure how unlike the training images the given images are.

    Args:
        features: of the images to judge.
        reference: of the training images, two or more.
        held_out: of images like those of training that it did not see; may be none.
        false_alarm_rate: share of familiar images that may count as unfamiliar, between 0 and 1.
    """
    neighbours = max(1, min(_MOST_NEIGHBOURS, math.isqrt(len(reference)) // 2))
    index = _Index(reference, neighbours)
    uses_held_out = len(held_out) >= _LEAST_HELD_OUT
    familiar = index.distances(held_out) if uses_held_out else index.own_distances()
    scores = index.distances(features)
    threshold = conformal_quantile(familiar, false_alarm_rate)
    return Novelty(
        scores=scores,
        familiar=familiar,
        threshold=threshold,
        false_alarm_rate=false_alarm_rate,
        neighbours=neighbours,
        reference=len(reference),
        held_out=uses_held_out,
        flagged=Share.of(int((scores > threshold).sum()), len(scores)) if threshold is not None else None,
    )


def conformal_quantile(familiar: Float64[np.ndarray, " images"], false_alarm_rate: float) -> float | None:
    """Return the score that a new familiar image exceeds at most as often as stated; None with too few scores.

    Examples:
        >>> conformal_quantile(np.arange(1.0, 20.0), 0.05)
        19.0
        >>> conformal_quantile(np.arange(1.0, 19.0), 0.05) is None
        True
    """
    rank = math.ceil((len(familiar) + 1) * (1 - false_alarm_rate) - 1e-9)
    return float(np.sort(familiar)[rank - 1]) if rank <= len(familiar) else None


class _Index:
    """The training images' features, of length one."""

    def __init__(self, reference: np.ndarray, neighbours: int) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._rows = _of_length_one(reference)
        self._neighbours = neighbours
        self._tree = NearestNeighbors(algorithm="brute").fit(self._rows)

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance to the k-th nearest training image."""
        if not len(features):
            return np.empty(0)
        found: np.ndarray = self._tree.kneighbors(_of_length_one(features), self._neighbours)[0][:, -1].astype(np.float64)
        return found

    def own_distances(self) -> np.ndarray:
        """Return each training image's distance to the k-th nearest other one."""
        found: np.ndarray = self._tree.kneighbors(None, self._neighbours)[0][:, -1].astype(np.float64)
        return found


def _of_length_one(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows: np.ndarray = features / np.maximum(lengths, np.float32(1e-12))
    return rows
