"""How good predictions are: every headline number with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

NORMAL_975 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""


@dataclass(frozen=True)
class Share:
    """A share of counted things with its 95 % Wilson interval.

    Attributes:
        correct, total: the counts.
        low, high: the interval's bounds in [0, 1].

    Examples:
        >>> share = Share.of(9, 10)
        >>> print(share)
        90.0 % [59.6, 98.2]
    """

    correct: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, correct: int, total: int) -> Share:
        """Count a share; of nothing, the interval is all of [0, 1].

        Source: Wilson 1927, Probable inference, the law of succession, and statistical inference.
        """
        if total == 0:
            return cls(0, 0, 0.0, 1.0)
        # Written out: scipy's binomtest would also compute a p-value, 4 ms for each of a thousand classes.
        spread = NORMAL_975**2 / total
        centre = (correct / total + spread / 2) / (1 + spread)
        half = math.sqrt(correct / total * (1 - correct / total) * spread + spread**2 / 4) / (1 + spread)
        low = centre - half if correct > 0 else 0.0
        return cls(correct, total, low, centre + half if correct < total else 1.0)

    @property
    def value(self) -> float:
        """The share itself, in [0, 1]; 0 of nothing."""
        return self.correct / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    def to_dict(self) -> dict[str, Any]:
        """Return the share as JSON-ready values."""
        return {"value": self.value, "low": self.low, "high": self.high, "correct": self.correct, "total": self.total}


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What predictions on labelled images are worth.

    Attributes:
        class_names: in label order.
        top1: share of images whose likeliest class is the true one.
        top5: share whose true class is among the five likeliest; None with five classes or fewer.
        balanced_accuracy: mean over the classes that have images of the share found, in [0, 1].
        log_loss: mean negative natural logarithm of the true class's probability.
        recall: class name to share of its images found, for classes that have images.
        confusion: (true class, predicted class) counts.
    """

    class_names: tuple[str, ...]
    top1: Share
    top5: Share | None
    balanced_accuracy: float
    log_loss: float
    recall: dict[str, Share]
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON-ready values."""
        return {
            "top1": self.top1.to_dict(),
            "top5": self.top5.to_dict() if self.top5 else None,
            "balanced_accuracy": self.balanced_accuracy,
            "log_loss": self.log_loss,
            "recall": {name: share.to_dict() for name, share in self.recall.items()},
            "confusion": [list(row) for row in self.confusion],
        }


def measure(
    probabilities: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"], class_names: Sequence[str]
) -> Metrics:
    """Measure probabilities, (images, classes), against labels, (images,); at least one image."""
    classes = len(class_names)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    recall = {
        class_names[index]: Share.of(int(confusion[index, index]), int(confusion[index].sum()))
        for index in range(classes)
        if confusion[index].sum()
    }
    return Metrics(
        class_names=tuple(class_names),
        top1=Share.of(int((predicted == labels).sum()), len(labels)),
        top5=_top5(probabilities, labels) if classes > 5 else None,
        balanced_accuracy=float(np.mean([share.value for share in recall.values()])),
        log_loss=float(log_losses(probabilities, labels).mean()),
        recall=recall,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _top5(probabilities: np.ndarray, labels: np.ndarray) -> Share:
    return Share.of(int((true_ranks(probabilities, labels) < 5).sum()), len(labels))


def true_ranks(
    probabilities: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]
) -> Int64[np.ndarray, " images"]:
    """Return how many classes come before the true one by probability, ties in class order; 0 where it is the likeliest."""
    true = probabilities[np.arange(len(labels)), labels][:, np.newaxis]
    earlier = np.arange(probabilities.shape[1]) < labels[:, np.newaxis]
    ranks: np.ndarray = ((probabilities > true) | ((probabilities == true) & earlier)).sum(axis=1)
    return ranks


def log_losses(
    probabilities: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]
) -> Float64[np.ndarray, " images"]:
    """Return each image's negative natural logarithm of the true class's probability, taken as 1e-12 at least.

    scikit-learn's ``log_loss`` gives their mean; for 1,000 classes of 100,000 images it would hold several tables of a
    gigabyte each.
    """
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    losses: np.ndarray = -np.log(np.clip(true / sums, 1e-12, 1.0))
    return losses


def fit_temperature(logits: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]) -> float:
    """Return the temperature in [0.05, 20] that minimises the log-loss of ``softmax(logits / temperature)``.

    Source: Guo et al. 2017, On calibration of modern neural networks.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    exact = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(exact / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded").x))
