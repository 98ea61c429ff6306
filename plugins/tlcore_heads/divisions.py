"""What a head's strength is judged by: the validation images, and folds of the training images where those are few.

Source: k-fold cross-validation, Stone 1974. With several divisions a strength is judged by the log-loss at its own best
temperature (Guo et al. 2017), since bundles are calibrated so: by the plain log-loss those win that are merely less shy. On
one division the same images would fit the temperature and judge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlcore.head import HeadData
from tlcore_heads.loss import calibrated_log_loss, log_loss
from tlcore_heads.row_folds import row_folds

FEW_OF_A_CLASS, FEW = 50, 500
"""Validation images, of a class and in all, below which the training images are divided to judge strengths as well."""

FOLDS = 5
"""Divisions that a strength is judged by then; the first is that into training and validation images."""


def divide(train: HeadData, validation: HeadData, classes: int, seed: int) -> list[tuple[HeadData, HeadData]]:
    """Return (images to fit, images to judge by) pairs: training and validation images first, then folds where needed."""
    enough = min(FEW, FEW_OF_A_CLASS * classes)
    folds = row_folds(train, FOLDS - 1, seed) if len(validation.labels) < enough else None
    if folds is None:
        return [(train, validation)]
    return [
        (train, validation),
        *((train.rows(folds != fold).joined(validation), train.rows(folds == fold)) for fold in np.unique(folds)),
    ]


def judge(logits: Sequence[np.ndarray], divisions: Sequence[tuple[HeadData, HeadData]]) -> float:
    """Return the log-loss of all divisions' images to judge by; calibrated if there are several.

    Args:
        logits: (images, classes) float32 for each division.
        divisions: as `divide` returns them.
    """
    labels = np.concatenate([held.labels for _, held in divisions])
    loss = log_loss if len(divisions) == 1 else calibrated_log_loss
    return loss(np.concatenate(logits), labels)
