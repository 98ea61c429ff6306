"""Features to learn from: handwritten digits as vectors, and the like."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from tlcore import HeadData


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    features, labels = load_digits(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64)


def digits(start: int, end: int) -> HeadData:
    """Return some of the 1,797 digits, 64 features each, ten classes."""
    features, labels = _digits()
    return HeadData(features=features[start:end], labels=labels[start:end])


def none_of(size: int = 64) -> HeadData:
    """Return no images."""
    return HeadData(features=np.empty((0, size), np.float32), labels=np.empty(0, np.int64))


def accuracy(logits: np.ndarray, data: HeadData) -> float:
    return float((logits.argmax(axis=1) == data.labels).mean())
