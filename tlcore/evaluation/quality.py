"""The headline numbers, each with its interval, and those of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from tlcore.evaluation.calibration import error_interval
from tlcore.evaluation.intervals import Estimate, at_its_bound, bootstrap, bootstrap_mean, worth_of
from tlcore.evaluation.predictions import Predictions
from tlcore.metrics import Share, log_losses


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """How good a model is on one class.

    Attributes:
        name: of the class.
        support: how many images are of it.
        predicted: how many images were taken for it.
        precision: share of the images taken for it that are of it; None where none was.
        recall: share of its images that were taken for it; None where it has none.
        f1: harmonic mean of the two, 0 where both are 0; None where it has no images and none was taken for it.
    """

    name: str
    support: int
    predicted: int
    precision: Share | None
    recall: Share | None
    f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready values."""
        return {
            "class": self.name,
            "support": self.support,
            "predicted": self.predicted,
            "precision": self.precision.to_dict() if self.precision else None,
            "recall": self.recall.to_dict() if self.recall else None,
            "f1": self.f1,
        }


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The headline numbers beyond accuracy, as scikit-learn defines them.

    Attributes:
        balanced_accuracy: mean recall of the classes that have images.
        macro_f1: mean F1 of the classes that have images or were predicted.
        micro_f1: F1 over all images together; with one class per image it equals the accuracy.
        log_loss: over the images of classes the model knows; None where there are none.
        brier: mean squared distance between the probabilities and the truth, summed over classes, in [0, 2].
        calibration_error: expected calibration error of the likeliest class in 15 bins of equal width (Guo et al. 2017).
        calibration_gap: mean confidence less accuracy; above 0 the model is too sure of itself.
        classes: each class by itself.
    """

    balanced_accuracy: Estimate
    macro_f1: Estimate
    micro_f1: Estimate
    log_loss: Estimate | None
    brier: Estimate
    calibration_error: Estimate
    calibration_gap: Estimate
    classes: tuple[ClassQuality, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready values."""
        headline = (name for name in self.__dataclass_fields__ if name not in ("classes", "log_loss"))
        return {
            **{name: getattr(self, name).to_dict() for name in headline},
            "log_loss": self.log_loss.to_dict() if self.log_loss else None,
            "classes": [entry.to_dict() for entry in self.classes],
        }


def measure_quality(predictions: Predictions, *, resamples: int, seed: int) -> Quality:
    """Measure predictions.

    Args:
        predictions: what was said of the images.
        resamples: of each bootstrap.
        seed: of the bootstrap.
    """
    counts = _Counts(predictions.labels, predictions.predicted, len(predictions.class_names))
    support = np.bincount(predictions.labels)
    balanced, macro = (
        at_its_bound(found.value, worth_of(support[support > 0])) if found.low == found.high in (0.0, 1.0) else found
        for found in bootstrap(counts.measures, len(predictions.samples), resamples=resamples, seed=seed)
    )
    confidence = predictions.confidence.astype(np.float64)
    scores = brier_scores(predictions)
    return Quality(
        balanced_accuracy=balanced,
        macro_f1=macro,
        micro_f1=Estimate.of_share(Share.of(int(predictions.correct.sum()), len(predictions.samples))),
        log_loss=_log_loss(predictions, resamples, seed),
        # Bounded, so that the studentized interval, made for losses that are not, is too wide.
        brier=bootstrap(lambda rows: scores[rows].mean(axis=1)[np.newaxis], len(scores), resamples=resamples, seed=seed)[0],
        calibration_error=error_interval(confidence, predictions.correct, resamples=resamples, seed=seed),
        calibration_gap=bootstrap_mean(confidence - predictions.correct, resamples=resamples, seed=seed),
        classes=_classes(predictions),
    )


@dataclass(frozen=True)
class _Counts:
    """True and predicted classes, so that a resample is a matter of counting."""

    labels: np.ndarray
    predicted: np.ndarray
    classes: int

    def measures(self, rows: Int64[np.ndarray, "resamples images"]) -> Float64[np.ndarray, "2 resamples"]:
        """Return balanced accuracy and macro F1 of each row as scikit-learn defines them, from counts."""
        labels, predicted = self.labels[rows], self.predicted[rows]
        right = self._count(np.where(labels == predicted, labels, self.classes))
        support, taken = self._count(labels), self._count(predicted)
        present, either = support > 0, support + taken > 0
        recall = right / np.maximum(support, 1)
        f1 = 2 * right / np.maximum(support + taken, 1)
        return np.stack([recall.sum(axis=1) / present.sum(axis=1), f1.sum(axis=1) / either.sum(axis=1)])

    def _count(self, classes: Int64[np.ndarray, "resamples images"]) -> Int64[np.ndarray, "resamples classes"]:
        """Return how often each row names each class; one beyond the last is not counted."""
        cells = classes + (self.classes + 1) * np.arange(len(classes))[:, np.newaxis]
        counts = np.bincount(cells.ravel(), minlength=len(classes) * (self.classes + 1))
        found: np.ndarray = counts.reshape(len(classes), self.classes + 1)[:, :-1]
        return found


def brier_scores(predictions: Predictions) -> Float64[np.ndarray, " images"]:
    """Return each image's squared distance between the probabilities and the truth, summed over classes, in [0, 2].

    Source: Brier 1950, Verification of forecasts expressed in terms of probability; scikit-learn's ``brier_score_loss``.
    """
    squares = np.einsum("ij,ij->i", predictions.probabilities, predictions.probabilities, dtype=np.float64)
    scores: np.ndarray = squares - 2 * predictions.true_probability.astype(np.float64) + 1
    return scores


def _log_loss(predictions: Predictions, resamples: int, seed: int) -> Estimate | None:
    knowable = predictions.knowable
    if not knowable.any():
        return None
    whole = bool(knowable.all())
    probabilities = predictions.probabilities if whole else predictions.probabilities[knowable]
    losses = log_losses(probabilities, predictions.labels[knowable])
    return bootstrap_mean(losses, resamples=resamples, seed=seed)


def _classes(predictions: Predictions) -> tuple[ClassQuality, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    count = len(predictions.class_names)
    _, _, f1, support = precision_recall_fscore_support(
        predictions.labels, predictions.predicted, labels=np.arange(count), zero_division=0.0
    )
    right = np.bincount(predictions.labels[predictions.correct], minlength=count)
    taken = np.bincount(predictions.predicted, minlength=count)
    return tuple(
        ClassQuality(
            name=name,
            support=int(support[index]),
            predicted=int(taken[index]),
            precision=Share.of(int(right[index]), int(taken[index])) if taken[index] else None,
            recall=Share.of(int(right[index]), int(support[index])) if support[index] else None,
            f1=float(f1[index]) if support[index] or taken[index] else None,
        )
        for index, name in enumerate(predictions.class_names)
    )
