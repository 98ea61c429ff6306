"""Logits as probabilities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32


def softmax(
    logits: Float32[np.ndarray, "images classes"], temperature: float = 1.0
) -> Float32[np.ndarray, "images classes"]:
    """Return the softmax of ``logits / temperature`` along the last axis, float32, computed in float64.

    >>> softmax(np.array([[0.0, np.log(3.0)]], np.float32)).round(2).tolist()
    [[0.25, 0.75]]
    """
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = (exponents / exponents.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities
