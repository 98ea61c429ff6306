"""How good predictions are: every headline number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True)
class Share:
    """A share of counted things with its 95 % Wilson interval.

    Attributes:
        correct, total: the counts.
        low, high: the interval's bounds in [0, 1].

    Example:
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
        """Count a share; of nothing, the interval is all of [0, 1]."""
        from scipy.stats import binomtest

        if total == 0:
            return cls(0, 0, 0.0, 1.0)
        interval = binomtest(correct, total).proportion_ci(0.95, method="wilson")
        return cls(correct, total, float(interval.low), float(interval.high))

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
    from sklearn.metrics import confusion_matrix, log_loss

    classes = len(class_names)
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, labels=np.arange(classes))
    recall = {
        class_names[index]: Share.of(int(confusion[index, index]), int(confusion[index].sum()))
        for index in range(classes)
        if confusion[index].sum()
    }
    clipped = np.clip(probabilities.astype(np.float64), 1e-12, 1.0)
    return Metrics(
        class_names=tuple(class_names),
        top1=Share.of(int((predicted == labels).sum()), len(labels)),
        top5=_top5(probabilities, labels) if classes > 5 else None,
        balanced_accuracy=float(np.mean([share.value for share in recall.values()])),
        log_loss=float(log_loss(labels, clipped / clipped.sum(axis=1, keepdims=True), labels=np.arange(classes))),
        recall=recall,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _top5(probabilities: np.ndarray, labels: np.ndarray) -> Share:
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    return Share.of(int((likeliest == labels[:, None]).any(axis=1).sum()), len(labels))


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
