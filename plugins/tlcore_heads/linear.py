"""The linear head: logistic regression on standardised features, folded back into one linear layer.

Source: the linear evaluation of Kornblith et al. 2019 (Do better ImageNet models transfer better?) and of DINOv2 (Oquab et
al. 2023): L-BFGS, a sweep of strengths chosen by log-loss on validation images, then a refit on training and validation
images. With few validation images the training images are divided as well (k-fold cross-validation, Stone 1974), so that the
choice rests on all of them, and a strength is judged by the log-loss at its own best temperature (Guo et al. 2017), since
bundles are calibrated so: by the plain log-loss those win that are merely less shy. On one division the same images would
fit the temperature and judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from tlcore.errors import HeadError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.logistic import LogisticProblem
from tlcore_heads.loss import calibrated_log_loss, log_loss
from tlcore_heads.options import LinearOptions
from tlcore_heads.row_folds import row_folds
from tlcore_heads.standard import Standardisation

SWEEP = tuple(float(value) for value in np.logspace(-6, 3, 13))
"""Inverse strengths C that are tried, weakest model first; each starts from the solution before it."""

WITHOUT_VALIDATION = 0.01
"""The strength used where there is no validation image to choose by."""

FEW_OF_A_CLASS, FEW = 50, 500
"""Validation images, of a class and in all, below which the training images are divided to judge strengths as well."""

FOLDS = 5
"""Divisions that a strength is judged by then; the first is that into training and validation images."""


def create(argument: str | None, options: LinearOptions) -> LinearHead:
    """Make the head."""
    return LinearHead(options)


class FittedLinear(FittedHead):
    """One linear layer on raw features.

    Args:
        weight: (classes, features) float32.
        bias: (classes,) float32.
    """

    def __init__(self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]) -> None:
        self._weight = weight
        self._bias = bias

    @property
    def classes(self) -> int:
        return len(self._bias)

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        logits: np.ndarray = features @ self._weight.T + self._bias
        return logits

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {"weight": self._weight, "bias": self._bias}

    def linear(self) -> tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        return self._weight, self._bias


class LinearHead(Head):
    """Logistic regression; see the module's text."""

    def __init__(self, options: LinearOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        given = self._options.regularisation
        strengths = (given,) if given is not None else SWEEP if len(validation.labels) else (WITHOUT_VALIDATION,)
        chosen, logits, tried = strengths[0], None, []
        if len(validation.labels):
            divisions = self._divisions(train, validation, classes, few=given is None, seed=seed)
            tried = list(self._sweep(divisions, strengths, progress))
            _, chosen, logits = min(tried, key=lambda entry: entry[0])
        record: dict[str, Any] = {"regularisation": chosen, "class_weight": self._options.class_weight}
        if tried:
            record["validation_log_loss"] = {f"{strength:.3g}": round(loss, 6) for loss, strength, _ in tried}
        return HeadFit(head=self._refit(train, validation, classes, chosen), validation_logits=logits, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedLinear:
        weight, bias = tensors.get("weight"), tensors.get("bias")
        if weight is None or bias is None or weight.ndim != 2 or bias.shape != (len(weight),):
            raise HeadError("a linear head is restored from 'weight' (classes, features) and 'bias' (classes,)")
        return FittedLinear(weight, bias)

    def from_linear(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> FittedLinear:
        return FittedLinear(weight, bias)

    def _divisions(self, train: HeadData, validation: HeadData, classes: int, *, few: bool, seed: int) -> list[_Division]:
        """Return what strengths are judged by: the validation images, then, where those are few, the training images."""
        divisions = [self._division(train, validation, classes)]
        enough = min(FEW, FEW_OF_A_CLASS * classes)
        folds = row_folds(train, FOLDS - 1, seed) if few and len(validation.labels) < enough else None
        if folds is None:
            return divisions
        for fold in np.unique(folds):
            rest = train.rows(folds != fold).joined(validation)
            divisions.append(self._division(rest, train.rows(folds == fold), classes))
        return divisions

    def _division(self, fitted: HeadData, held: HeadData, classes: int) -> _Division:
        standard = Standardisation.of(fitted.features)
        return _Division(standard, self._problem(standard.apply(fitted.features), fitted.labels, classes), held)

    def _sweep(
        self, divisions: Sequence[_Division], strengths: Sequence[float], progress: Progress
    ) -> Iterator[tuple[float, float, np.ndarray]]:
        """Yield (log-loss, C, logits of the first division's images) for each strength; calibrated if there are several.

        Each strength starts where the last one ended. Stops once the loss has risen three times in a row: weaker
        regularisation then only fits the training images more.
        """
        labels = np.concatenate([division.held.labels for division in divisions])
        judge = log_loss if len(divisions) == 1 else calibrated_log_loss
        losses: list[float] = []
        for done, strength in enumerate(strengths, 1):
            logits = [division.judge(strength, self._options.max_iterations) for division in divisions]
            losses.append(judge(np.concatenate(logits), labels))
            yield losses[-1], strength, logits[0]
            progress(ProgressEvent("linear head", done, len(strengths)))
            if len(losses) > 3 and losses[-4] < losses[-3] < losses[-2] < losses[-1]:
                break
        progress(ProgressEvent("linear head", len(strengths), len(strengths)))

    def _refit(self, train: HeadData, validation: HeadData, classes: int, strength: float) -> FittedLinear:
        features = np.concatenate([train.features, validation.features])
        labels = np.concatenate([train.labels, validation.labels])
        standard = Standardisation.of(features)
        problem = self._problem(standard.apply(features), labels, classes)
        return _layer(standard, problem.solve(strength, None, self._options.max_iterations))

    def _problem(self, features: np.ndarray, labels: np.ndarray, classes: int) -> LogisticProblem:
        weights = np.ones(len(labels), np.float32)
        if self._options.class_weight == "balanced":
            counts = np.bincount(labels, minlength=classes)
            weights = (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)
        return LogisticProblem(features, labels, weights, classes)


class _Division:
    """Images to fit and images to judge by.

    Args:
        standard: how features are standardised, by the images to fit.
        problem: the regression on those.
        held: the images to judge by.
    """

    def __init__(self, standard: Standardisation, problem: LogisticProblem, held: HeadData) -> None:
        self.held = held
        self._standard = standard
        self._problem = problem
        self._solution: np.ndarray | None = None

    def judge(self, strength: float, max_iterations: int) -> Float32[np.ndarray, "images classes"]:
        """Return the logits of the images to judge by, of a fit that starts where the last one ended."""
        self._solution = self._problem.solve(strength, self._solution, max_iterations)
        return _layer(self._standard, self._solution).compute_logits(self.held.features)


def _layer(standard: Standardisation, solution: Float64[np.ndarray, "classes features_and_bias"]) -> FittedLinear:
    return FittedLinear(*standard.fold(solution[:, :-1], solution[:, -1]))
