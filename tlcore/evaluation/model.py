"""What is evaluated: a bundle or an exported model, seen alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.dataset import LeftOut, Sample
from tlcore.head import Head
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress
from tlcore.softmax import softmax

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Images as a model sees them, in order, unreadable ones left out.

    Attributes:
        samples: those that could be read.
        digests: SHA-256 of each one's encoded bytes.
        logits: (images, classes), float32.
        features: (images, features), float32; None where the model does not give them.
        left_out: those that could not be read.
    """

    samples: tuple[Sample, ...]
    digests: tuple[str, ...]
    logits: Float32[np.ndarray, "images classes"] = field(repr=False)
    features: Float32[np.ndarray, "images features"] | None = field(repr=False)
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model says of itself, for whoever reads its evaluation.

    Attributes:
        name: where it lies.
        kind: ``"bundle"`` or ``"ONNX"``.
        classes: in the order of its logits.
        preprocess: how images become its input.
        temperature: what logits are divided by before the softmax.
        provenance: backbone, head, data, seed, versions; empty where it says nothing.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    temperature: float
    provenance: Mapping[str, Any]


class EvaluatedModel(ABC):
    """A model that can be evaluated."""

    @property
    @abstractmethod
    def facts(self) -> ModelFacts:
        """What it says of itself."""

    @property
    @abstractmethod
    def split(self) -> Mapping[str, frozenset[str]]:
        """Split name to SHA-256 of the images it was trained and measured on; empty where it does not say."""

    @property
    @abstractmethod
    def head(self) -> Head:
        """A head such as the model's, to be fitted again."""

    @abstractmethod
    def embed(
        self, samples: Sequence[Sample], *, cache_directory: Path | None, strict: bool, progress: Progress, stage: str
    ) -> Embedded:
        """Compute features and logits of samples, or read them from the cache."""

    @abstractmethod
    def cached_features(self, digests: Sequence[str]) -> Mapping[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those that `embed`'s cache holds; none before `embed`."""

    @abstractmethod
    def logits(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return logits of images as `Preprocess.pixels` returns them."""

    @abstractmethod
    def activation_maps(
        self, images: UInt8[np.ndarray, "images height width 3"]
    ) -> Float32[np.ndarray, "images rows columns"] | None:
        """Return the class activation maps of the likeliest classes, or None where the model has none."""

    def probabilities(self, logits: Float32[np.ndarray, "images classes"]) -> Float32[np.ndarray, "images classes"]:
        """Return the temperature-scaled softmax of logits, without a second table of double precision."""
        found = np.empty_like(logits)
        for start in range(0, len(logits), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            found[rows] = softmax(logits[rows], self.facts.temperature)
        return found
