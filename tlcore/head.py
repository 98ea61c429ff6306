"""Heads: classifiers fitted on features. The core checks, the plugin computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from tlcore.errors import HeadError
from tlcore.progress import Progress, silent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class HeadData:
    """What a head learns from.

    Attributes:
        features: (images, features), float32.
        labels: (images,), int64, each in [0, classes).
        shown: which image each row shows, (images,), int64, where several rows are views of one; None where each row is an
            image of its own. Heads that hold rows out hold out all that show one image.
    """

    features: Float32[np.ndarray, "images features"]
    labels: Int64[np.ndarray, " images"]
    shown: Int64[np.ndarray, " images"] | None = None

    @classmethod
    def of_views(
        cls, views: Sequence[Float32[np.ndarray, "images features"]], labels: Int64[np.ndarray, " images"]
    ) -> HeadData:
        """Return every view of every image as a row, view after view; one view's rows are images of their own."""
        if len(views) == 1:
            return cls(features=views[0], labels=labels)
        images = np.arange(len(labels), dtype=np.int64)
        return cls(features=np.concatenate(views), labels=np.tile(labels, len(views)), shown=np.tile(images, len(views)))

    @property
    def images(self) -> Int64[np.ndarray, " images"]:
        """Which image each row shows, (images,)."""
        return self.shown if self.shown is not None else np.arange(len(self.labels), dtype=np.int64)

    def rows(self, chosen: Bool[np.ndarray, " images"]) -> HeadData:
        """Return the rows that are chosen."""
        shown = self.shown[chosen] if self.shown is not None else None
        return HeadData(features=self.features[chosen], labels=self.labels[chosen], shown=shown)

    def joined(self, other: HeadData) -> HeadData:
        """Return these rows and then the other's, which show other images."""
        first = self.images
        return HeadData(
            features=np.concatenate([self.features, other.features]),
            labels=np.concatenate([self.labels, other.labels]),
            shown=np.concatenate([first, other.images + (first.max() + 1 if len(first) else 0)]),
        )


class FittedHead(ABC):
    """A fitted classifier on features. A plugin's subclass writes the three abstract methods."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """How many classes it tells apart."""

    @abstractmethod
    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        """Return one logit per image and class. Written by the plugin; callers use `logits`."""

    @abstractmethod
    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return what `Head.restore` needs to make it again, as named arrays."""

    def linear(self) -> tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None:
        """Return (weight, bias) if the head is one linear layer on the raw features, else None."""
        return None

    def torch_module(self) -> torch.nn.Module:
        """Return the head as a torch module from features to logits, for export.

        Written by plugins whose head is not `linear`. Raises `HeadError` where the head cannot be exported.
        """
        raise HeadError(f"{type(self).__name__} cannot be exported: it is no linear layer and makes no torch module")

    def logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        """Return logits, (images, classes), float32; raises `HeadError` where the head returns anything else."""
        logits = self.compute_logits(features)
        expected = (len(features), self.classes)
        if not isinstance(logits, np.ndarray) or logits.shape != expected or logits.dtype != np.float32:
            found = f"{logits.dtype} {logits.shape}" if isinstance(logits, np.ndarray) else type(logits).__name__
            raise HeadError(f"{type(self).__name__} returned {found} logits, expected float32 {expected}")
        if not np.isfinite(logits).all():
            raise HeadError(f"{type(self).__name__} returned logits that are not finite")
        return logits


@dataclass(frozen=True, kw_only=True)
class HeadFit:
    """What fitting a head gave.

    Attributes:
        head: fitted on all it was given.
        validation_logits: of the validation images, by a fit that did not see them; None without validation images.
        record: what was chosen and why, JSON-ready, kept in the bundle.
        notes: what a person should know of the choice, one line each, told after training.
    """

    head: FittedHead
    validation_logits: Float32[np.ndarray, "images classes"] | None
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Head(ABC):
    """A way to learn a classifier from features. A plugin's subclass writes `compute_fit` and `restore`."""

    @abstractmethod
    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        """Fit; choose settings on the validation images, which may be none. Written by the plugin; callers use `fit`."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedHead:
        """Make again what `FittedHead.tensors` described."""

    def from_linear(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> FittedHead:
        """Return the head that is this linear layer, which fine-tuning trained together with the network.

        Written by plugins whose fitted heads are any linear layer. Raises `HeadError` where that is not so.
        """
        raise HeadError(f"{type(self).__name__} is no plain linear layer, which fine-tuning needs; use the head 'linear'")

    def fit(
        self, train: HeadData, validation: HeadData, classes: int, *, seed: int = 0, progress: Progress = silent
    ) -> HeadFit:
        """Fit on training images, choosing settings on the validation images.

        Args:
            train: what to learn from; at least one image of two classes.
            validation: what to choose by; may hold no images.
            classes: how many classes there are; some may have no training image.
            seed: of anything random.
            progress: told how far the fit is.

        Raises:
            HeadError: nothing to learn, labels out of range, mismatched shapes, or the head broke its contract.
        """
        for name, data in (("train", train), ("validation", validation)):
            if data.features.ndim != 2 or data.labels.shape != (len(data.features),):
                raise HeadError(f"{name}: features {data.features.shape} and labels {data.labels.shape} do not match")
            if data.shown is not None and data.shown.shape != data.labels.shape:
                raise HeadError(f"{name}: {data.shown.shape} numbers of images and labels {data.labels.shape} do not match")
            if len(data.labels) and not (data.labels.min() >= 0 and data.labels.max() < classes):
                raise HeadError(f"{name}: labels must lie in [0, {classes}), got up to {data.labels.max()}")
            if not np.isfinite(data.features).all():
                raise HeadError(f"{name}: features hold values that are not finite; compute them again")
        if len(np.unique(train.labels)) < 2:
            raise HeadError(f"a head needs training images of two classes or more, got {len(np.unique(train.labels))}")
        fit = self.compute_fit(train, validation, classes, seed=seed, progress=progress)
        if fit.head.classes != classes:
            raise HeadError(f"{type(self).__name__} fitted {fit.head.classes} classes, expected {classes}")
        return fit
