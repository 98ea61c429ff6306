"""L2-regularised multinomial logistic regression by L-BFGS, in coordinates in which it takes few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.linalg import eigh
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

_WORTH_THREADS = 50_000_000
"""Multiplications in one product from which BLAS threads pay. Below it they spend longer waiting for each other than
computing: on two busy cores a sweep over 1,169 x 256 x 10 took 72 s with them and 1 s without."""


WORTH = 0.99
"""A stage that lowers the loss to more than this share of it is the last."""


@dataclass(frozen=True)
class LogisticProblem:
    """Weighted multinomial logistic regression of standardised features.

    The loss is scikit-learn's: ``sum(weights * cross_entropy) + ||W||^2 / (2 C)``, the intercept not penalised. It is
    divided by the sum of the weights, which changes no optimum and keeps step sizes alike for all sizes.

    Attributes:
        features: (images, features) float32.
        labels: (images,) int64.
        weights: (images,) float32, positive.
        classes: how many.
    """

    features: Float32[np.ndarray, "images features"]
    labels: Int64[np.ndarray, " images"]
    weights: Float32[np.ndarray, " images"]
    classes: int

    @cached_property
    def _share(self) -> Float32[np.ndarray, "images 1"]:
        share: np.ndarray = (self.weights / np.float32(self.weights.sum()))[:, None]
        return share

    @cached_property
    def _axes(self) -> tuple[Float32[np.ndarray, "features rank"], Float64[np.ndarray, " rank"]]:
        """Orthonormal principal axes of the features, as columns, and the mean square along each.

        With fewer images than features only those in the images' span, where the L2-regularised optimum lies.
        """
        span = np.linalg.qr(self.features.T)[0] if len(self.features) < self.features.shape[1] else None
        points = self.features if span is None else self.features @ span
        squares, axes = eigh((points * self._share).T @ points)
        return np.ascontiguousarray(axes if span is None else span @ axes), np.maximum(squares, 0).astype(np.float64)

    @cached_property
    def _coordinates(self) -> Float32[np.ndarray, "images rank"]:
        coordinates: np.ndarray = self.features @ self._axes[0]
        return coordinates

    def solve(
        self, regularisation: float, start: Float64[np.ndarray, "classes features_and_bias"] | None, max_iterations: int
    ) -> Float64[np.ndarray, "classes features_and_bias"]:
        """Return weights with the intercept as last column, (classes, features + 1).

        Each coordinate along a principal axis is scaled by the inverse root of the loss's curvature there, which at the
        start is the mean of p (1 - p) times the mean square along the axis, plus the penalty: the same optimum, but all
        directions curve alike, and L-BFGS needs a few dozen steps where it took hundreds.

        Args:
            regularisation: C, the inverse strength.
            start: where to begin, for instance the solution for a neighbouring C; None begins at zero.
            max_iterations: of L-BFGS.

        Source: Liu and Nocedal 1989 (L-BFGS), in scipy's implementation; diagonal preconditioning in the features' principal
        axes, with the curvature of Böhning 1992 (Multinomial logistic regression algorithm) taken at the start.
        """
        threads = 1 if self.features.size * self.classes < _WORTH_THREADS else None
        with threadpool_limits(threads, user_api="blas"):
            axes, squares = self._axes
            begin = np.zeros((self.classes, len(squares) + 1))
            if start is not None:
                begin[:, :-1] = start[:, :-1] @ axes
                begin[:, -1] = start[:, -1]
            penalty = 1.0 / (regularisation * float(self.weights.sum()))
            objective = _Objective(self._coordinates, self.labels, self._share, penalty)
            solution = _minimum(objective, squares, begin, max_iterations)
            return np.column_stack([solution[:, :-1] @ axes.T, solution[:, -1]])


def _minimum(
    objective: _Objective,
    squares: Float64[np.ndarray, " rank"],
    begin: Float64[np.ndarray, "classes rank_and_bias"],
    most: int,
) -> Float64[np.ndarray, "classes rank_and_bias"]:
    """Descend in stages, each scaled by the curvature where it starts, until one lowers the loss by little."""
    solution: np.ndarray = begin
    left = most
    loss, _, curvature = objective.at(begin)
    while True:
        scales = np.append(1 / np.sqrt(curvature * squares + objective.penalty), 1 / np.sqrt(curvature))
        found = minimize(
            _scaled(objective, scales, loss),
            (solution / scales).ravel(),
            jac=True,
            method="L-BFGS-B",
            options=_options(left),
        )
        solution = np.asarray(found.x, np.float64).reshape(begin.shape) * scales
        before, (loss, _, curvature) = loss, objective.at(solution)
        left -= int(found.nit)
        if left <= 0 or loss > WORTH * before:
            return solution


def _scaled(
    objective: _Objective, scales: Float64[np.ndarray, " rank_and_bias"], unit: float
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Return the objective of flat scaled weights, in units of a loss."""

    def at(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, _ = objective.at(flat.reshape(-1, len(scales)) * scales)
        return value / unit, (gradient * scales).ravel() / unit

    return at


def _options(max_iterations: int) -> dict[str, float | int]:
    # In units of the loss at the stage's start. The optimum's loss is met within 1e-4, be it 4 or one thousandth of that.
    return {"maxiter": max_iterations, "maxfun": 2 * max_iterations, "ftol": 1e-5, "gtol": 1e-4, "maxcor": 20}


@dataclass(frozen=True)
class _Objective:
    """The loss and what is needed to descend it.

    Attributes:
        coordinates: (images, rank) float32.
        labels: (images,) int64.
        share: of each image's weight in all, (images, 1) float32.
        penalty: half of it times the squared weights is added to the loss.
    """

    coordinates: Float32[np.ndarray, "images rank"]
    labels: Int64[np.ndarray, " images"]
    share: Float32[np.ndarray, "images 1"]
    penalty: float

    def at(
        self, weight: Float64[np.ndarray, "classes rank_and_bias"]
    ) -> tuple[float, Float64[np.ndarray, "classes rank_and_bias"], float]:
        """Return loss, gradient, and the mean of p (1 - p) over images and classes."""
        rows = np.arange(len(self.labels))
        logits = self.coordinates @ weight[:, :-1].T.astype(np.float32) + weight[:, -1].astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        sums = probabilities.sum(axis=1, keepdims=True)
        log_likelihood = logits[rows, self.labels] - np.log(sums[:, 0])
        probabilities /= sums
        curvature = float((1 - np.einsum("ic,ic->i", probabilities, probabilities)) @ self.share[:, 0]) / weight.shape[0]
        probabilities[rows, self.labels] -= 1.0
        probabilities *= self.share
        gradient = np.empty(weight.shape)
        gradient[:, :-1] = probabilities.T @ self.coordinates + self.penalty * weight[:, :-1]
        gradient[:, -1] = probabilities.sum(axis=0, dtype=np.float64)
        penalty = 0.5 * self.penalty * float(np.square(weight[:, :-1]).sum())
        loss = penalty - float(np.dot(self.share[:, 0].astype(np.float64), log_likelihood))
        return loss, gradient, max(curvature, 1e-9)
