"""The images to look at: those the model is most wrong about, and those it is least sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from tlcore.evaluation.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image of a list.

    Attributes:
        name: of the image.
        true: its class.
        predicted: what the model takes it for.
        probability: that the model gives what it takes it for.
        true_probability: that the model gives the true class; 0 where it does not know it.
        score: what the list is ordered by; its owner says what it is.
    """

    name: str
    true: str
    predicted: str
    probability: float
    true_probability: float
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return the case as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def cases(
    predictions: Predictions, indices: Int64[np.ndarray, " chosen"], scores: Float64[np.ndarray, " images"]
) -> tuple[Case, ...]:
    """Return the images at the given positions as cases.

    Args:
        predictions: what was said of the images.
        indices: which of them, in order.
        scores: of all images.
    """
    names = predictions.class_names
    return tuple(
        Case(
            name=predictions.samples[index].name,
            true=names[int(predictions.labels[index])],
            predicted=names[int(predictions.predicted[index])],
            probability=float(predictions.confidence[index]),
            true_probability=float(predictions.true_probability[index]),
            score=float(scores[index]),
        )
        for index in indices.tolist()
    )


def top_losses(predictions: Predictions, most: int) -> tuple[Case, ...]:
    """Return the wrongly classified images whose true class got least probability; scored by their log-loss."""
    losses = -np.log(np.clip(predictions.true_probability.astype(np.float64), 1e-12, 1.0))
    wrong = np.flatnonzero(~predictions.correct)
    return cases(predictions, wrong[np.argsort(-losses[wrong], kind="stable")][:most], losses)


def least_confident(predictions: Predictions, most: int) -> tuple[Case, ...]:
    """Return the images whose likeliest class leads the second by least; scored by that lead."""
    if predictions.known < 2:
        return ()
    best = np.partition(predictions.probabilities, predictions.known - 2, axis=1)
    lead = (best[:, -1] - best[:, -2]).astype(np.float64)
    return cases(predictions, np.argsort(lead, kind="stable")[:most], lead)
