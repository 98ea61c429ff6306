"""One linear layer on raw features: what the linear and the discriminant head fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from tlcore.errors import HeadError
from tlcore.head import FittedHead


class FittedLinear(FittedHead):
    """One linear layer on raw features.

    Args:
        weight: (classes, features) float32.
        bias: (classes,) float32.
    """

    def __init__(self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]) -> None:
        self._weight = weight
        self._bias = bias

    @property
    def classes(self) -> int:
        return len(self._bias)

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        logits: np.ndarray = features @ self._weight.T + self._bias
        return logits

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {"weight": self._weight, "bias": self._bias}

    def linear(self) -> tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        return self._weight, self._bias


def restore_linear(tensors: Mapping[str, np.ndarray], owner: str) -> FittedLinear:
    """Make again what `FittedLinear.tensors` described; `owner` is how errors call the head."""
    weight, bias = tensors.get("weight"), tensors.get("bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != (len(weight),):
        raise HeadError(f"a {owner} head is restored from 'weight' (classes, features) and 'bias' (classes,)")
    return FittedLinear(weight, bias)
