"""L2-regularised multinomial logistic regression by L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

_WORTH_THREADS = 50_000_000
"""Multiplications in one product from which BLAS threads pay. Below it they spend longer waiting for each other than
computing: on two busy cores a sweep over 1,169 x 256 x 10 took 72 s with them and 1 s without."""


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
    def _basis(self) -> Float32[np.ndarray, "rank features"] | None:
        """Orthonormal rows that span the images, where these are fewer than the features; the optimum lies in the span."""
        if len(self.features) >= self.features.shape[1]:
            return None
        return np.ascontiguousarray(np.linalg.qr(self.features.T)[0].T)

    @cached_property
    def _coordinates(self) -> Float32[np.ndarray, "images coordinates"]:
        return self.features if self._basis is None else self.features @ self._basis.T

    def solve(
        self, regularisation: float, start: Float64[np.ndarray, "classes features_and_bias"] | None, max_iterations: int
    ) -> Float64[np.ndarray, "classes features_and_bias"]:
        """Return weights with the intercept as last column, (classes, features + 1).

        With fewer images than features the problem is solved in the images' span, where the L2-regularised optimum lies.

        Args:
            regularisation: C, the inverse strength.
            start: where to begin, for instance the solution for a neighbouring C; None begins at zero.
            max_iterations: of L-BFGS.

        Source: Liu and Nocedal 1989 (L-BFGS), in scipy's implementation.
        """
        features, basis = self._coordinates, self._basis
        begin = np.zeros((self.classes, features.shape[1] + 1))
        if start is not None:
            begin[:, :-1] = start[:, :-1] if basis is None else start[:, :-1] @ basis.T
            begin[:, -1] = start[:, -1]
        objective = _Objective(features, self.labels, self.weights, regularisation, begin.shape)
        threads = 1 if features.size * self.classes < _WORTH_THREADS else None
        with threadpool_limits(threads, user_api="blas"):
            found = minimize(objective, begin.ravel(), jac=True, method="L-BFGS-B", options=_options(max_iterations))
        solution = np.asarray(found.x).reshape(begin.shape)
        return solution if basis is None else np.column_stack([solution[:, :-1] @ basis, solution[:, -1]])


def _options(max_iterations: int) -> dict[str, float | int]:
    return {"maxiter": max_iterations, "maxfun": 2 * max_iterations, "ftol": 1e-8, "gtol": 1e-6, "maxcor": 20}


class _Objective:
    """The loss and its gradient at flat weights."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, regularisation: float, shape: tuple[int, int]
    ) -> None:
        total = float(weights.sum())
        self._features = features
        self._labels = labels
        self._rows = np.arange(len(labels))
        self._share = (weights / np.float32(total))[:, None]
        self._penalty = 1.0 / (regularisation * total)
        self._shape = shape

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(self._shape)
        logits = self._features @ weight[:, :-1].T.astype(np.float32) + weight[:, -1].astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        sums = probabilities.sum(axis=1, keepdims=True)
        log_likelihood = logits[self._rows, self._labels] - np.log(sums[:, 0])
        probabilities /= sums
        probabilities[self._rows, self._labels] -= 1.0
        probabilities *= self._share
        gradient = np.empty(self._shape)
        gradient[:, :-1] = probabilities.T @ self._features + self._penalty * weight[:, :-1]
        gradient[:, -1] = probabilities.sum(axis=0, dtype=np.float64)
        penalty = 0.5 * self._penalty * float(np.square(weight[:, :-1]).sum())
        return penalty - float(np.dot(self._share[:, 0].astype(np.float64), log_likelihood)), gradient.ravel()
