"""Which features tell classes apart: by a linear classifier in which features win or lose their place as a whole.

Source: group lasso (Yuan and Lin 2006) over each feature's weights, as Head2Toe (Evci et al. 2022) selects by, solved by
FISTA (Beck and Teboulle 2009). Deviation: the squared error of one-hot labels stands for the cross-entropy, which leaves
two matrix products an iteration.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

_ITERATIONS = 60
_STRENGTH = 0.02
"""Of the penalty, relative to the one at which every weight is zero."""


def relevant_features(
    features: Float32[np.ndarray, "images features"], labels: Int64[np.ndarray, " images"], classes: int, keep: int
) -> list[int]:
    """Return the indices of the `keep` most relevant features, ascending; of all where there are no more.

    Features whose weights are all zero rank behind the others, by how much they correlate with the classes.

    >>> random = np.random.default_rng(0)
    >>> labels = np.arange(60) % 3
    >>> features = random.standard_normal((60, 20)).astype(np.float32)
    >>> features[:, 7] += 5 * (labels == 1)
    >>> features[:, 11] += 5 * (labels == 2)
    >>> relevant_features(features, labels, 3, 2)
    [7, 11]
    """
    inputs = features - features.mean(axis=0)
    inputs /= np.maximum(inputs.std(axis=0), 1e-6) * np.sqrt(np.float32(len(inputs)))
    targets = np.eye(classes, dtype=np.float32)[labels]
    targets = (targets - targets.mean(axis=0)) / np.sqrt(np.float32(len(inputs)))
    correlation = np.linalg.norm(inputs.T @ targets, axis=1)
    penalty = _STRENGTH * float(correlation.max())
    weights = _group_lasso(inputs, targets, penalty)
    order = np.lexsort((np.arange(len(correlation)), -correlation, -np.linalg.norm(weights, axis=1)))
    return sorted(order[:keep].tolist())


def _group_lasso(inputs: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Minimise ``|inputs @ weights - targets|^2 / 2 + penalty * sum of row lengths``; returns (features, classes)."""
    step = np.float32(1 / _largest_eigenvalue(inputs))
    weights = np.zeros((inputs.shape[1], targets.shape[1]), np.float32)
    ahead, momentum = weights, 1.0
    for _ in range(_ITERATIONS):
        moved = ahead - step * (inputs.T @ (inputs @ ahead - targets))
        lengths = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-20)
        shrunk = moved * np.maximum(0, 1 - step * np.float32(penalty) / lengths)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = shrunk + np.float32((momentum - 1) / following) * (shrunk - weights)
        weights, momentum = shrunk, following
    return weights


def _largest_eigenvalue(inputs: np.ndarray) -> float:
    """Return an upper estimate of the largest eigenvalue of ``inputs.T @ inputs``, by power iteration."""
    vector = np.ones(inputs.shape[1], np.float32)
    value = 1.0
    for _ in range(20):
        vector = inputs.T @ (inputs @ (vector / max(float(np.linalg.norm(vector)), 1e-20)))
        value = float(np.linalg.norm(vector))
    return max(1.1 * value, 1e-12)
