"""ROC and precision-recall curves, each class against the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from tlcore.evaluation.curve_areas import columns, estimate_areas
from tlcore.evaluation.intervals import Estimate
from tlcore.evaluation.predictions import Predictions
from tlcore.progress import Progress, ProgressEvent

MOST_CLASSES = 200
"""With more classes than this no areas are computed: one class against a thousand others says little, and takes long."""

MOST_CURVES = 12
"""How many classes' curves are kept, those with the smallest area; the areas of all are."""

_CURVE_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class ClassCurve:
    """One class against the rest.

    Attributes:
        name: of the class.
        area: under the ROC curve, in [0, 1], with its interval.
        average_precision: in [0, 1], with its interval.
        roc: (false positive rate, true positive rate), each (points,); None where the curve is not kept.
        precision_recall: (recall, precision), likewise.
    """

    name: str
    area: Estimate
    average_precision: Estimate
    roc: tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]] | None
    precision_recall: tuple[Float64[np.ndarray, " others"], Float64[np.ndarray, " others"]] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON-ready values."""
        return {
            "class": self.name,
            "area": self.area.to_dict(),
            "average_precision": self.average_precision.to_dict(),
            "roc": [axis.tolist() for axis in self.roc] if self.roc else None,
            "precision_recall": [axis.tolist() for axis in self.precision_recall] if self.precision_recall else None,
        }


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All classes' curves.

    Attributes:
        classes: those that have images, and others than their own to be told from.
        macro_area: mean area under the ROC curve, with its interval.
        macro_average_precision: mean average precision, with its interval.
        missing: why there are none, or empty.
    """

    classes: tuple[ClassCurve, ...]
    macro_area: Estimate | None
    macro_average_precision: Estimate | None
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as JSON-ready values."""
        return {
            "classes": [curve.to_dict() for curve in self.classes],
            "macro_area": self.macro_area.to_dict() if self.macro_area else None,
            "macro_average_precision": self.macro_average_precision.to_dict() if self.macro_average_precision else None,
            "missing": self.missing,
        }


def one_against_rest(predictions: Predictions, progress: Progress) -> Curves:
    """Return each class's curves by its probability, where there are at most `MOST_CLASSES` of them.

    Args:
        predictions: what was said of the images.
        progress: told how far it is.
    """
    if predictions.known > MOST_CLASSES:
        return _none(f"with {predictions.known:,} classes, over {MOST_CLASSES}, one against the rest says little")
    told = [
        index
        for index, count in enumerate(np.bincount(predictions.labels, minlength=predictions.known)[: predictions.known])
        if 0 < count < len(predictions.samples)
    ]
    if not told:
        return _none("they need images of two classes or more that the model knows")
    progress(ProgressEvent("curves", 0, 1))
    true = columns(predictions.labels, told)
    areas = estimate_areas(predictions.probabilities[:, told], true)
    progress(ProgressEvent("curves", 1, 1))
    kept = set(sorted(range(len(told)), key=lambda position: areas.roc[position].value)[:MOST_CURVES])
    return Curves(
        classes=tuple(
            _curve(predictions, index, areas.roc[position], areas.precision[position], position in kept)
            for position, index in enumerate(told)
        ),
        macro_area=areas.macro_roc,
        macro_average_precision=areas.macro_precision,
    )


def _none(reason: str) -> Curves:
    return Curves(classes=(), macro_area=None, macro_average_precision=None, missing=reason)


def _curve(predictions: Predictions, index: int, area: Estimate, average_precision: Estimate, kept: bool) -> ClassCurve:
    from sklearn.metrics import precision_recall_curve, roc_curve

    true, score = predictions.labels == index, predictions.probabilities[:, index]
    roc = precision_recall = None
    if kept:
        false_positive, true_positive, _ = roc_curve(true, score)
        precision, recall, _ = precision_recall_curve(true, score, drop_intermediate=True)
        roc = (_thinned(false_positive), _thinned(true_positive))
        precision_recall = (_thinned(recall), _thinned(precision))
    return ClassCurve(
        name=predictions.class_names[index],
        area=area,
        average_precision=average_precision,
        roc=roc,
        precision_recall=precision_recall,
    )


def _thinned(axis: np.ndarray) -> np.ndarray:
    """Keep at most `_CURVE_POINTS` points, spread evenly, the ends among them."""
    kept = np.unique(np.linspace(0, len(axis) - 1, min(_CURVE_POINTS, len(axis))).round().astype(int))
    thinned: np.ndarray = axis[kept].astype(np.float64)
    return thinned
