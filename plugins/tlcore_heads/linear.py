"""The linear head: logistic regression on standardised features, folded back into one linear layer.

Source: the linear evaluation of Kornblith et al. 2019 (Do better ImageNet models transfer better?) and of DINOv2 (Oquab et
al. 2023): L-BFGS, a sweep of strengths chosen by log-loss on validation images (see `divisions`), then a refit on training
and validation images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from tlcore.head import Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.divisions import divide, judge
from tlcore_heads.fitted_linear import FittedLinear, restore_linear
from tlcore_heads.logistic import LogisticProblem
from tlcore_heads.options import LinearOptions
from tlcore_heads.standard import Standardisation

SWEEP = tuple(float(value) for value in np.logspace(-6, 3, 13))
"""Inverse strengths C that are tried, weakest model first; each starts from the solution before it."""

WITHOUT_VALIDATION = 0.01
"""The strength used where there is no validation image to choose by."""


def create(argument: str | None, options: LinearOptions) -> LinearHead:
    """Make the head."""
    return LinearHead(options)


class LinearHead(Head):
    """Logistic regression; see the module's text."""

    def __init__(self, options: LinearOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        given = self._options.regularisation
        strengths = (given,) if given is not None else SWEEP if len(validation.labels) else (WITHOUT_VALIDATION,)
        chosen, logits, tried = strengths[0], None, []
        if len(validation.labels):
            divisions = divide(train, validation, classes, seed) if given is None else [(train, validation)]
            tried = list(self._sweep(divisions, strengths, classes, progress))
            _, chosen, logits = min(tried, key=lambda entry: entry[0])
        record: dict[str, Any] = {"regularisation": chosen, "class_weight": self._options.class_weight}
        if tried:
            record["validation_log_loss"] = {f"{strength:.3g}": round(loss, 6) for loss, strength, _ in tried}
        return HeadFit(head=self._refit(train, validation, classes, chosen), validation_logits=logits, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedLinear:
        return restore_linear(tensors, "linear")

    def from_linear(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> FittedLinear:
        return FittedLinear(weight, bias)

    def _division(self, fitted: HeadData, held: HeadData, classes: int) -> _Division:
        standard = Standardisation.of(fitted.features)
        return _Division(standard, self._problem(standard.apply(fitted.features), fitted.labels, classes), held)

    def _sweep(
        self, divisions: Sequence[tuple[HeadData, HeadData]], strengths: Sequence[float], classes: int, progress: Progress
    ) -> Iterator[tuple[float, float, np.ndarray]]:
        """Yield (log-loss, C, logits of the first division's images) for each strength.

        Each strength starts where the last one ended. Stops once the loss has risen three times in a row: weaker
        regularisation then only fits the training images more.
        """
        problems = [self._division(fitted, held, classes) for fitted, held in divisions]
        losses: list[float] = []
        for done, strength in enumerate(strengths, 1):
            logits = [problem.held_logits(strength, self._options.max_iterations) for problem in problems]
            losses.append(judge(logits, divisions))
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

    def held_logits(self, strength: float, max_iterations: int) -> Float32[np.ndarray, "images classes"]:
        """Return the logits of the images to judge by, of a fit that starts where the last one ended."""
        self._solution = self._problem.solve(strength, self._solution, max_iterations)
        return _layer(self._standard, self._solution).compute_logits(self.held.features)


def _layer(standard: Standardisation, solution: Float64[np.ndarray, "classes features_and_bias"]) -> FittedLinear:
    return FittedLinear(*standard.fold(solution[:, :-1], solution[:, -1]))
