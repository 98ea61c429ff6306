"""What a model said of labelled images: all that is measured is measured on this."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64

from tlcore.dataset import Sample
from tlcore.errors import TlcoreError

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model said of labelled images.

    Attributes:
        class_names: the model's classes in its order, then classes of the images that it cannot know.
        samples: the images; their labels are positions in `class_names`.
        probabilities: (images, model's classes), float32, each row summing to 1.

    Raises:
        TlcoreError: no image, shapes or labels that do not fit, or probabilities that are none.
    """

    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    probabilities: Float32[np.ndarray, "images known"] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.samples or self.probabilities.shape[0] != len(self.samples):
            raise TlcoreError(f"probabilities {self.probabilities.shape} and {len(self.samples)} images do not match")
        if not 1 <= self.known <= len(self.class_names):
            raise TlcoreError(f"probabilities {self.probabilities.shape} and {len(self.class_names)} classes do not match")
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            raise TlcoreError(f"labels must lie in [0, {len(self.class_names)}), got up to {self.labels.max()}")
        for start in range(0, len(self.samples), _ROWS_AT_ONCE):
            self._check(start, self.probabilities[start : start + _ROWS_AT_ONCE])

    def _check(self, start: int, rows: np.ndarray) -> None:
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            name = self.samples[start + int(np.argmax(bad))].name
            raise TlcoreError(
                f"{name}: the model gives no finite number for a class (NaN or infinite); its weights are damaged, or its "
                f"arithmetic overflows"
            )
        bad = (rows < 0).any(axis=1) | (np.abs(rows.sum(axis=1, dtype=np.float64) - 1) > 1e-3)
        if bad.any():
            name = self.samples[start + int(np.argmax(bad))].name
            raise TlcoreError(f"{name}: what the model gives are no probabilities: below 0, or not summing to 1")

    @property
    def known(self) -> int:
        """How many classes the model knows."""
        return int(self.probabilities.shape[1])

    @cached_property
    def labels(self) -> Int64[np.ndarray, " images"]:
        """Position of each image's true class in `class_names`."""
        return np.array([sample.label for sample in self.samples], np.int64)

    @cached_property
    def predicted(self) -> Int64[np.ndarray, " images"]:
        """Position of each image's likeliest class."""
        found: np.ndarray = self.probabilities.argmax(axis=1)
        return found

    @cached_property
    def confidence(self) -> Float32[np.ndarray, " images"]:
        """Probability of the likeliest class."""
        found: np.ndarray = self.probabilities.max(axis=1)
        return found

    @cached_property
    def correct(self) -> Bool[np.ndarray, " images"]:
        """Whether the likeliest class is the true one."""
        found: np.ndarray = self.predicted == self.labels
        return found

    @cached_property
    def knowable(self) -> Bool[np.ndarray, " images"]:
        """Whether the model knows the true class."""
        found: np.ndarray = self.labels < self.known
        return found

    @cached_property
    def true_probability(self) -> Float32[np.ndarray, " images"]:
        """Probability of the true class; 0 where the model does not know it."""
        found = np.zeros(len(self.samples), np.float32)
        found[self.knowable] = self.probabilities[self.knowable, self.labels[self.knowable]]
        return found

    @cached_property
    def padded(self) -> Float32[np.ndarray, "images classes"]:
        """The probabilities with a column of zeros for each class the model cannot know."""
        missing = len(self.class_names) - self.known
        return self.probabilities if not missing else np.pad(self.probabilities, ((0, 0), (0, missing)))
