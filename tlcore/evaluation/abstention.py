"""What is gained by answering only where the model is sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from tlcore.evaluation.predictions import Predictions
from tlcore.metrics import Share

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
_CURVE_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class AbstentionPoint:
    """Answering only above a confidence.

    Attributes:
        threshold: answer where the likeliest class has at least this probability.
        coverage: share of the images answered.
        right: share of the answers that are right.
    """

    threshold: float
    coverage: float
    right: Share

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-ready values."""
        return {"threshold": self.threshold, "coverage": self.coverage, "right": self.right.to_dict()}


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """The risk-coverage curve.

    Source: El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification; the area under it as in
    Geifman, Uziel and El-Yaniv 2019.

    Attributes:
        points: at the coverages in `COVERAGES`, or just above where images share a confidence.
        area: mean risk over all coverages, in [0, 1]; lower is better.
        best_area: what it would be if confidence put all right answers before all wrong ones.
        coverage, risk: the curve, from few answers to all, at most some 200 points.
    """

    points: tuple[AbstentionPoint, ...]
    area: float
    best_area: float
    coverage: Float64[np.ndarray, " points"]
    risk: Float64[np.ndarray, " points"]

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON-ready values."""
        return {
            "points": [point.to_dict() for point in self.points],
            "area": self.area,
            "best_area": self.best_area,
            "coverage": self.coverage.tolist(),
            "risk": self.risk.tolist(),
        }


def abstention(predictions: Predictions) -> Abstention:
    """Return what is gained by answering only where the likeliest class is likely enough."""
    order = np.argsort(-predictions.confidence, kind="stable")
    confidence, correct = predictions.confidence[order], predictions.correct[order]
    count = len(order)
    # Images that share a confidence are answered together or not at all.
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    answered, right = ends + 1, np.cumsum(correct)[ends]
    risk = 1 - right / answered
    widths = np.diff(answered, prepend=0) / count
    points = []
    for wanted in COVERAGES:
        at = min(int(np.searchsorted(answered, wanted * count - 1e-9)), len(ends) - 1)
        points.append(
            AbstentionPoint(
                threshold=float(confidence[ends[at]]),
                coverage=float(answered[at] / count),
                right=Share.of(int(right[at]), int(answered[at])),
            )
        )
    kept = np.unique(np.linspace(0, len(ends) - 1, min(_CURVE_POINTS, len(ends))).round().astype(int))
    best = np.maximum(0, np.arange(1, count + 1) - int(correct.sum())) / np.arange(1, count + 1)
    return Abstention(
        points=tuple(dict.fromkeys(points)),
        area=float((risk * widths).sum()),
        best_area=float(best.mean()),
        coverage=answered[kept] / count,
        risk=risk[kept],
    )
