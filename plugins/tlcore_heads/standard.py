"""Features to mean 0 and deviation 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32


@dataclass(frozen=True)
class Standardisation:
    """Features to mean 0 and deviation 1, by the training images; constant features stay 0.

    Attributes:
        mean, scale: (features,) float32.
    """

    mean: Float32[np.ndarray, " features"]
    scale: Float32[np.ndarray, " features"]

    @classmethod
    def of(cls, features: Float32[np.ndarray, "images features"]) -> Standardisation:
        """Measure mean and deviation of features, (images, features)."""
        deviation = features.std(axis=0, dtype=np.float64)
        scale = np.where(deviation > 1e-8, deviation, 1.0).astype(np.float32)
        return cls(features.mean(axis=0, dtype=np.float64).astype(np.float32), scale)

    def apply(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images features"]:
        """Return standardised features, (images, features)."""
        standardised: np.ndarray = (features - self.mean) / self.scale
        return standardised

    def fold(
        self, weight: Float[np.ndarray, "outputs features"], bias: Float[np.ndarray, " outputs"]
    ) -> tuple[Float32[np.ndarray, "outputs features"], Float32[np.ndarray, " outputs"]]:
        """Return the layer on raw features that equals a layer on standardised ones."""
        raw = weight / self.scale
        return raw.astype(np.float32), (bias - raw @ self.mean).astype(np.float32)
