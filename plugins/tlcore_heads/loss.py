"""The loss heads choose their settings by."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64
from scipy.special import log_softmax

from tlcore.metrics import fit_temperature


def log_loss(logits: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]) -> float:
    """Return the mean negative natural logarithm of the true class's softmax probability."""
    exact = log_softmax(logits.astype(np.float64), axis=1)
    return float(-exact[np.arange(len(labels)), labels].mean())


def calibrated_log_loss(logits: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]) -> float:
    """Return the log-loss at the temperature that makes it least."""
    return log_loss(logits / np.float32(fit_temperature(logits, labels)), labels)
