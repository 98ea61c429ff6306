"""The discriminant head: classes that are clouds of one shape around their means, whose shape is shrunk towards a ball.

Source: Fisher 1936 (The use of multiple measurements in taxonomic problems); shrunk covariance after Friedman 1989
(Regularized discriminant analysis), its share chosen as the linear head chooses its strength. It weighs directions by how
little images of one class differ in them, which a few images of every class tell together; logistic regression has to find
that out class by class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy.linalg import eigh

from tlcore.head import Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.divisions import divide, judge
from tlcore_heads.fitted_linear import FittedLinear, restore_linear
from tlcore_heads.options import DiscriminantOptions
from tlcore_heads.standard import Standardisation

SWEEP = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of the ball that are tried; at 1 only the means and the features' own deviations count."""

WITHOUT_VALIDATION = 0.5
"""The share used where there is no validation image to choose by."""

_ABSENT = 20.0
"""How far a class without images stays below the mean of the others' logits, so that it is never the likeliest."""


def create(argument: str | None, options: DiscriminantOptions) -> DiscriminantHead:
    """Make the head."""
    return DiscriminantHead(options)


class DiscriminantHead(Head):
    """Linear discriminant analysis; see the module's text."""

    def __init__(self, options: DiscriminantOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        given = self._options.shrinkage
        chosen, logits, tried = WITHOUT_VALIDATION if given is None else given, None, []
        if len(validation.labels):
            divisions = divide(train, validation, classes, seed) if given is None else [(train, validation)]
            shares = SWEEP if given is None else (given,)
            tried = list(self._sweep(divisions, shares, classes, progress))
            _, chosen, logits = min(tried, key=lambda entry: entry[0])
        clouds = _Clouds.of(train.joined(validation), classes, self._options.priors == "equal")
        progress(ProgressEvent("discriminant head", 1, 1))
        record: dict[str, Any] = {"shrinkage": chosen, "priors": self._options.priors}
        if tried:
            record["validation_log_loss"] = {f"{share:.3g}": round(loss, 6) for loss, share, _ in tried}
        return HeadFit(head=clouds.layer(chosen), validation_logits=logits, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedLinear:
        return restore_linear(tensors, "discriminant")

    def _sweep(
        self, divisions: Sequence[tuple[HeadData, HeadData]], shares: Sequence[float], classes: int, progress: Progress
    ) -> Iterator[tuple[float, float, np.ndarray]]:
        """Yield (log-loss, share, logits of the first division's images) for each share."""
        clouds = []
        for done, (fitted, _) in enumerate(divisions):
            progress(ProgressEvent("discriminant head", done, len(divisions) + 1))
            clouds.append(_Clouds.of(fitted, classes, self._options.priors == "equal"))
        for share in shares:
            logits = [
                cloud.layer(share).compute_logits(held.features) for cloud, (_, held) in zip(clouds, divisions, strict=True)
            ]
            yield judge(logits, divisions), share, logits[0]


@dataclass(frozen=True)
class _Clouds:
    """Means of classes and the shape that they share, on standardised features.

    Attributes:
        standard: how features are standardised.
        present: labels of the classes that have images.
        classes: how many there are.
        means: a mean for each present class.
        log_priors: of each present class.
        directions: orthonormal, those in which images of one class differ at all.
        variances: in each of them.
        mean_variance: over all directions, of the ball.
    """

    standard: Standardisation
    present: Int64[np.ndarray, " present"]
    classes: int
    means: Float64[np.ndarray, "present features"]
    log_priors: Float64[np.ndarray, " present"]
    directions: Float64[np.ndarray, "features directions"]
    variances: Float64[np.ndarray, " directions"]
    mean_variance: float

    @classmethod
    def of(cls, data: HeadData, classes: int, equal_priors: bool) -> _Clouds:
        """Measure them; by the eigenvectors of whichever is smaller, covariance or the images' inner products."""
        standard = Standardisation.of(data.features)
        points = standard.apply(data.features).astype(np.float64)
        present, compact, counts = np.unique(data.labels, return_inverse=True, return_counts=True)
        means = np.zeros((len(present), points.shape[1]))
        np.add.at(means, compact, points)
        means /= counts[:, None]
        residuals = (points - means[compact]) / max(1, len(points) - len(present)) ** 0.5
        variances, directions = _principal(residuals)
        mean_variance = float(variances.sum()) / points.shape[1]
        shares = np.full(len(present), 1 / len(present)) if equal_priors else counts / counts.sum()
        # Where no class has two images, or all features are constant, only the means can count.
        ball = mean_variance if mean_variance > 0 else 1.0
        return cls(standard, present, classes, means, np.log(shares), directions, variances, ball)

    def layer(self, share: float) -> FittedLinear:
        """Return the linear layer on raw features for a share of the ball in (0, 1]."""
        ball = share * self.mean_variance
        narrowed = 1 / ((1 - share) * self.variances + ball) - 1 / ball
        weight = self.means / ball + ((self.means @ self.directions) * narrowed) @ self.directions.T
        bias = self.log_priors - 0.5 * (weight * self.means).sum(axis=1)
        all_weights = np.tile(weight.mean(axis=0), (self.classes, 1))
        all_biases = np.full(self.classes, bias.mean() - _ABSENT)
        all_weights[self.present], all_biases[self.present] = weight, bias
        return FittedLinear(*self.standard.fold(all_weights, all_biases))


def _principal(
    residuals: Float64[np.ndarray, "images features"],
) -> tuple[Float64[np.ndarray, " directions"], Float64[np.ndarray, "features directions"]]:
    """Return the positive eigenvalues of ``residuals.T @ residuals`` and their eigenvectors as columns."""
    images, features = residuals.shape
    if images < features:
        values, vectors = eigh(residuals @ residuals.T)
    else:
        values, vectors = eigh(residuals.T @ residuals)
    kept = values > max(float(values[-1]), 0.0) * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    return values, residuals.T @ vectors / np.sqrt(values) if images < features else vectors
