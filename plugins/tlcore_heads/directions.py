"""Features as directions, and a linear layer on them: what the prototype and the cosine head fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.head import FittedHead
from tlcore_heads.tensors import linear_layer, take_tensors

if TYPE_CHECKING:
    import torch

SMALLEST = 1e-12
"""Lengths below it count as it, so that features equal to the centre become zero instead of not a number."""


@dataclass(frozen=True)
class Directions:
    """Features less a centre, scaled to length 1 (CL2N of Wang et al. 2019, SimpleShot).

    SimpleShot centres by the mean of the base classes, which are not at hand; the training images' mean stands in.

    Attributes:
        centre: (features,) float32.
    """

    centre: Float32[np.ndarray, " features"]

    @classmethod
    def of(cls, features: Float32[np.ndarray, "images features"], centre: bool = True) -> Directions:
        """Measure the centre of features, (images, features); zero where `centre` is false."""
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(mean if centre else np.zeros_like(mean))

    def apply(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images features"]:
        """Return directions, (images, features), each of length 1, or 0 for features at the centre."""
        moved = features - self.centre
        lengths = np.sqrt(np.square(moved).sum(axis=1, keepdims=True))
        directions: np.ndarray = moved / np.maximum(lengths, np.float32(SMALLEST))
        return directions

    def torch_module(self) -> torch.nn.Module:
        """Return `apply` in torch."""
        from tlcore_heads.modules import DirectionsModule

        return DirectionsModule(self.centre, SMALLEST)


class FittedDirections(FittedHead):
    """One linear layer on directions.

    Args:
        directions: how raw features become directions.
        weight: (classes, features) float32.
        bias: (classes,) float32.
    """

    def __init__(
        self,
        directions: Directions,
        weight: Float32[np.ndarray, "classes features"],
        bias: Float32[np.ndarray, " classes"],
    ) -> None:
        self._directions = directions
        self._weight = weight
        self._bias = bias

    @property
    def classes(self) -> int:
        return len(self._bias)

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        logits: np.ndarray = self._directions.apply(features) @ self._weight.T + self._bias
        return logits

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {"centre": self._directions.centre, "weight": self._weight, "bias": self._bias}

    def torch_module(self) -> torch.nn.Module:
        import torch

        return torch.nn.Sequential(self._directions.torch_module(), linear_layer(self._weight, self._bias))


def restore_directions(tensors: Mapping[str, np.ndarray], owner: str) -> FittedDirections:
    """Make again what `FittedDirections.tensors` described; `owner` is how errors call the head."""
    centre, weight, bias = take_tensors(tensors, {"centre": 1, "weight": 2, "bias": 1}, owner)
    return FittedDirections(Directions(centre), weight, bias)


def spread(
    rows: Float32[np.ndarray, "present features"],
    bias: Float32[np.ndarray, " present"],
    present: Int64[np.ndarray, " present"],
    classes: int,
    absent_bias: float,
) -> tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
    """Return weight and bias for all classes from those of the classes that have images.

    Args:
        rows: a weight per class that has images.
        bias: likewise.
        present: labels of those classes.
        classes: how many there are.
        absent_bias: the logit of a class without images, the same for every image.
    """
    weight = np.zeros((classes, rows.shape[1]), np.float32)
    biases = np.full(classes, absent_bias, np.float32)
    weight[present], biases[present] = rows, bias
    return weight, biases
