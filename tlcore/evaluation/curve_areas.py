"""Areas under ROC and precision-recall curves, each class against the rest, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from tlcore.evaluation.intervals import Estimate, jackknife_logit, worth_of


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Areas of each class against the rest, and their means.

    Attributes:
        roc: area under each class's ROC curve: scikit-learn's ``roc_auc_score``.
        precision: average precision of each class: scikit-learn's ``average_precision_score``.
        macro_roc, macro_precision: their means over classes.
    """

    roc: tuple[Estimate, ...]
    precision: tuple[Estimate, ...]
    macro_roc: Estimate
    macro_precision: Estimate


def estimate_areas(scores: Float32[np.ndarray, "images classes"], true: Bool[np.ndarray, "images classes"]) -> Areas:
    """Measure areas under the ROC curve and average precisions, with intervals by the jackknife (`jackknife_logit`).

    Each image is left out once, of all classes at the same time, so that the interval of a mean knows how the classes hang
    together. For areas under the ROC curve the variance is nearly that of DeLong et al. 1988 (areas under correlated ROC
    curves). Ties are one threshold. The only image of a class tells nothing when left out: the class by
    itself then has no interval, and counts in the mean with the value measured.

    Args:
        scores: each class's probability.
        true: whether the image is of the class; each column holds both.
    """
    images, classes = scores.shape
    values = np.zeros((2, classes))
    means_left_out = np.zeros((2, images))
    sizes = np.minimum(true.sum(axis=0), images - true.sum(axis=0))
    estimates: list[list[Estimate]] = [[], []]
    for index in range(classes):
        ranking = _Ranking(scores[:, index], true[:, index])
        values[:, index] = ranking.areas()
        left_out = ranking.areas_left_out()
        means_left_out += left_out / classes
        for kind in range(2):
            estimates[kind].append(jackknife_logit(float(values[kind, index]), left_out[kind], float(sizes[index])))
    macro = [jackknife_logit(float(values[kind].mean()), means_left_out[kind], worth_of(sizes)) for kind in range(2)]
    return Areas(roc=tuple(estimates[0]), precision=tuple(estimates[1]), macro_roc=macro[0], macro_precision=macro[1])


class _Ranking:
    """One class's images by falling score; images of equal score are one step."""

    def __init__(self, score: Float32[np.ndarray, " images"], true: Bool[np.ndarray, " images"]) -> None:
        _, step = np.unique(-score, return_inverse=True)
        self._step: Int64[np.ndarray, " images"] = step
        self._true = true
        self._new_hits = np.bincount(step, true).astype(np.float64)
        self._new_alarms = np.bincount(step, ~true).astype(np.float64)
        self._hits = np.cumsum(self._new_hits)
        self._taken = self._hits + np.cumsum(self._new_alarms)

    def areas(self) -> tuple[float, float]:
        """Return the area under the ROC curve and the average precision."""
        hits, alarms = self._hits[-1], self._taken[-1] - self._hits[-1]
        average = float((self._new_hits * self._hits / self._taken).sum() / hits)
        return float(self._won() / (hits * alarms)), average

    def areas_left_out(self) -> Float64[np.ndarray, "2 images"]:
        """Return both areas without each image in turn; that with all where no image of a kind would be left."""
        hits, alarms = self._hits[-1], self._taken[-1] - self._hits[-1]
        area, average = self.areas()
        with np.errstate(divide="ignore", invalid="ignore"):
            without_hit = (self._won() - self._won_by_hit()) / ((hits - 1) * alarms)
            without_alarm = (self._won() - self._won_from_alarm()) / (hits * (alarms - 1))
            fewer = np.maximum(self._taken - 1, 1)
            above = np.cumsum(self._new_hits * self._hits / self._taken) - self._new_hits * self._hits / self._taken
            below_alarm = _from_here(self._new_hits * self._hits / fewer)
            below_hit = _from_here(self._new_hits * (self._hits - 1) / fewer) - (self._hits - 1) / fewer
            average_without_hit = (above + below_hit) / (hits - 1)
        left_out = np.where(
            self._true,
            np.stack([without_hit, average_without_hit])[:, self._step] if hits > 1 else [[area], [average]],
            np.stack([without_alarm, (above + below_alarm) / hits])[:, self._step] if alarms > 1 else [[area], [average]],
        )
        found: np.ndarray = left_out
        return found

    def _won(self) -> float:
        """Return how many pairs of an image of the class and another are in the right order; a tie is half a one."""
        return float((self._new_hits * self._won_by_hit()).sum())

    def _won_by_hit(self) -> Float64[np.ndarray, " steps"]:
        alarms = self._taken - self._hits
        won: np.ndarray = alarms[-1] - alarms + self._new_alarms / 2
        return won

    def _won_from_alarm(self) -> Float64[np.ndarray, " steps"]:
        won: np.ndarray = self._hits - self._new_hits / 2
        return won


def _from_here(values: Float64[np.ndarray, " steps"]) -> Float64[np.ndarray, " steps"]:
    """Return the sum of each value and all behind it."""
    sums: np.ndarray = np.cumsum(values[::-1])[::-1]
    return sums


def columns(labels: Int64[np.ndarray, " images"], classes: Sequence[int]) -> Bool[np.ndarray, "images classes"]:
    """Return for each image and class whether the image is of it."""
    found: np.ndarray = labels[:, np.newaxis] == np.array(classes)
    return found
