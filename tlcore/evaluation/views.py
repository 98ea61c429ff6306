"""Averaging over an image's mirror image and crops when it is classified (test-time augmentation)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.evaluation.model import EvaluatedModel
from tlcore.evaluation.options import TestTime
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.rows import rows_engine
from tlcore.features.feature_set import Extraction
from tlcore.features.views import STANDARD
from tlcore.metrics import Share, log_losses
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress

_BATCH = 8
_WIDEST_CROP = 0.875
"""Crops cover at most this share of the resized image's side, so that corners differ from the centre."""


@dataclass(frozen=True, kw_only=True)
class TestTimeResult:
    """What averaging over views changes, on the same images.

    Attributes:
        views: how many views of each image were averaged.
        top1: share right with them.
        log_loss: with them, over images of classes the model knows; None where there are none.
        won: images right with the views and wrong without.
        lost: images wrong with the views and right without.
        p_value: of the exact McNemar test that the two do equally well.
    """

    __test__ = False

    views: int
    top1: Share
    log_loss: float | None
    won: int
    lost: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"top1": self.top1.to_dict()}


def average_views(
    model: EvaluatedModel, predictions: Predictions, test_time: TestTime, *, strict: bool, progress: Progress
) -> TestTimeResult:
    """Classify each image again, averaging the logits of its views.

    Crops are the four corners and the centre, each with its mirror image. Nothing of it is cached.

    Args:
        model: that made the predictions.
        predictions: without views.
        test_time: ``"flip"`` or ``"crops"``.
        strict: raise on an unreadable image.
        progress: told how far it is.

    Source: Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks.
    """
    from scipy.stats import binomtest

    average = ViewAverage(model, test_time)
    engine = rows_engine(
        average.logits,
        name=model.facts.name,
        row_size=len(model.facts.classes),
        preprocess=average.preprocess,
        digest="",
        batch_size=_BATCH,
    )
    found = Extraction(engine, {STANDARD: None}).run(
        predictions.samples, strict=strict, progress=progress, stage=f"test-time {test_time}"
    )
    probabilities = model.probabilities(found.features)
    right = probabilities.argmax(axis=1) == predictions.labels
    won, lost = int((right & ~predictions.correct).sum()), int((~right & predictions.correct).sum())
    known = predictions.knowable
    return TestTimeResult(
        views=average.views,
        top1=Share.of(int(right.sum()), len(right)),
        log_loss=float(log_losses(probabilities[known], predictions.labels[known]).mean()) if known.any() else None,
        won=won,
        lost=lost,
        p_value=float(binomtest(won, won + lost).pvalue) if won + lost else 1.0,
    )


class ViewAverage:
    """A model whose logits are averaged over an image's views.

    Args:
        model: what to average.
        test_time: ``"flip"`` or ``"crops"``.
    """

    def __init__(self, model: EvaluatedModel, test_time: TestTime) -> None:
        self._model = model
        self._crops = test_time == "crops"
        self.views = 10 if self._crops else 2

    @property
    def preprocess(self) -> Preprocess:
        """How images become pixels as large as the views need."""
        own = self._model.facts.preprocess
        return _wide(own) if self._crops else own

    def logits(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return the logits of each image averaged over its views, (images, classes)."""
        height, width = self._model.facts.preprocess.image_size
        down, right = images.shape[1] - height, images.shape[2] - width
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)] if self._crops else [(0, 0)]
        summed = np.zeros((len(images), len(self._model.facts.classes)), np.float32)
        for top, left in corners:
            crop = images[:, top : top + height, left : left + width]
            for view in (crop, crop[:, :, ::-1]):
                summed += self._model.logits(np.ascontiguousarray(view))
        return summed / self.views


def _wide(preprocess: Preprocess) -> Preprocess:
    """Return the record that keeps the whole resized square that crops are taken from."""
    share = min(preprocess.crop_fraction, _WIDEST_CROP)
    height, width = preprocess.image_size
    return replace(preprocess, image_size=(math.floor(height / share), math.floor(width / share)), crop_fraction=1.0)
