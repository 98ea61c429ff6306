"""Which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from tlcore.evaluation.predictions import Predictions

MOST_PAIRS = 50
"""How many of the most confused pairs an evaluation names."""


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, and how often images of the one were taken for the other.

    Attributes:
        true: the images' class.
        predicted: what they were taken for.
        count: how many.
        share: of the images of `true`, in [0, 1].
    """

    true: str
    predicted: str
    count: int
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON-ready values."""
        return {"true": self.true, "predicted": self.predicted, "count": self.count, "share": self.share}


def confused_cells(predictions: Predictions) -> tuple[tuple[int, int, int], ...]:
    """Return (true class, predicted class, count) wherever images were counted, correct ones included, most first."""
    classes = len(predictions.class_names)
    cells, counts = np.unique(predictions.labels * classes + predictions.predicted, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(
        (int(cell) // classes, int(cell) % classes, int(count))
        for cell, count in zip(cells[order], counts[order], strict=True)
    )


def most_confused(predictions: Predictions, most: int = MOST_PAIRS) -> tuple[ConfusedPair, ...]:
    """Return the pairs that are confused most, by count, then by share of the class's images."""
    support: Int64[np.ndarray, " classes"] = np.bincount(predictions.labels, minlength=len(predictions.class_names))
    names = predictions.class_names
    pairs = [
        ConfusedPair(names[true], names[predicted], count, count / int(support[true]))
        for true, predicted, count in confused_cells(predictions)
        if true != predicted
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, -pair.share))[:most])
