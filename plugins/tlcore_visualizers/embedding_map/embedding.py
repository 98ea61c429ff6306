"""The map of a dataset: where each image lies, what it is, and what a bundle takes it for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.backbone import Backbone
from tlcore.dataset import Dataset, LeftOut, Sample
from tlcore.errors import DatasetError
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.progress import Progress, silent
from tlcore_visualizers.embedding_map import MapOptions
from tlcore_visualizers.embedding_map.projection import project

Classify = Callable[[Float32[np.ndarray, "images features"]], Float32[np.ndarray, "images classes"]]
"""From pooled features to probabilities."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingMap:
    """A dataset laid out on a plane.

    Attributes:
        title: what is shown, in a few words.
        network: what sees it so.
        method: how it was laid out.
        samples: the images that could be read.
        places: (images, 2), float32 in [0, 1], y downwards.
        class_names: of the dataset's labels.
        answers: (images,), int64: index into `answer_names` of what the bundle takes each for; None without a bundle.
        answer_names: the bundle's classes.
        probabilities: (images,), float32, of the answers; None without a bundle.
        left_out: images that cannot be read.
        record: everything needed to make it again, JSON-ready.
    """

    title: str
    network: str
    method: str
    samples: tuple[Sample, ...] = field(repr=False)
    places: Float32[np.ndarray, "images 2"] = field(repr=False)
    class_names: tuple[str, ...]
    answers: Int64[np.ndarray, " images"] | None = field(default=None, repr=False)
    answer_names: tuple[str, ...] = ()
    probabilities: Float32[np.ndarray, " images"] | None = field(default=None, repr=False)
    left_out: tuple[LeftOut, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> Int64[np.ndarray, " images"]:
        """Label of each image, (images,), int64."""
        return np.array([sample.label for sample in self.samples], np.int64)

    @property
    def mistakes(self) -> np.ndarray:
        """Whether each image is taken for another class than its own, (images,), bool; all False without a bundle.

        Classes are the same by name; an image of a class that the bundle does not know is no mistake.
        """
        if self.answers is None:
            return np.zeros(len(self.samples), bool)
        position = {name: index for index, name in enumerate(self.answer_names)}
        right = np.array([position.get(name, -1) for name in self.class_names], np.int64)[self.labels]
        wrong: np.ndarray = (right >= 0) & (right != self.answers)
        return wrong


def embed(
    dataset: Dataset,
    backbone: Backbone,
    *,
    options: MapOptions | None = None,
    classify: Classify | None = None,
    answer_names: Sequence[str] = (),
    network: str | None = None,
    views: str = "one",
    cache_directory: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> EmbeddingMap:
    """Lay a dataset out as a network sees it.

    Args:
        dataset: all its splits are shown; unreadable images are left out.
        backbone: whose pooled features are laid out.
        options: method and neighbourhood.
        classify: of a bundle, to mark its mistakes; None for none.
        answer_names: the bundle's classes.
        network: what the map calls what sees it; by default the backbone's name.
        views: of each image that features are the mean of, as `tlcore.features.views.parse_views` takes them.
        cache_directory: where features are kept; None keeps none.
        seed: of the layout.
        progress: told how far it is.

    Raises:
        DatasetError: fewer images than a map needs can be read.

    Example::

        laid_out = embed(Registry().dataset("photos/"), Registry().backbone("mini"))
        laid_out.places  # (images, 2)
    """
    asked = options or MapOptions()
    info = backbone.info
    extractor = Extractor(
        backbone, FeatureOptions(views=views), samples=dataset.samples, cache_directory=cache_directory, progress=progress
    )
    found = extractor.extract(dataset.samples, progress=progress)
    if not found.samples:
        raise DatasetError(f"{dataset.name}: none of the {len(dataset.samples)} images can be read")
    places = project(found.features, asked, seed=seed, progress=progress)
    probabilities = None if classify is None else classify(found.features)
    return EmbeddingMap(
        title=f"Map of {dataset.name}",
        network=network or info.name,
        method=asked.method,
        samples=found.samples,
        places=places,
        class_names=dataset.class_names,
        answers=None if probabilities is None else probabilities.argmax(axis=1).astype(np.int64),
        answer_names=tuple(answer_names),
        probabilities=None if probabilities is None else probabilities.max(axis=1),
        left_out=found.left_out,
        record={
            "dataset": dataset.name,
            "dataset_digest": dataset.digest,
            "backbone": info.name,
            "weights_digest": info.weights_digest,
            "features": extractor.record,
            "method": asked.method,
            "neighbours": asked.neighbours,
            "seed": seed,
            "images": len(found.samples),
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in found.left_out],
        },
    )
