"""Measuring a bundle on labelled images it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlcore.bundle import Bundle
from tlcore.dataset import ALL, Dataset, LeftOut, Sample
from tlcore.errors import DatasetError, did_you_mean
from tlcore.extraction import Extractor, FeatureOptions
from tlcore.metrics import Metrics, measure
from tlcore.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a bundle is worth on a dataset.

    Attributes:
        dataset: the dataset's name.
        split: which of its splits was measured.
        images: how many images were measured.
        seen: how many were passed over because the bundle was trained on the same file.
        left_out: images that could not be read.
        metrics: the measures.
    """

    dataset: str
    split: str
    images: int
    seen: int
    left_out: tuple[LeftOut, ...]
    metrics: Metrics

    def _repr_html_(self) -> str:
        from tlcore.notebook import evaluation_html

        return evaluation_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as JSON-ready values."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "seen": self.seen,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "metrics": self.metrics.to_dict(),
        }


def evaluate(
    bundle: Bundle,
    dataset: Dataset,
    *,
    split: str | None = None,
    strict: bool = False,
    engine: str = "auto",
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a bundle on a dataset; images it was trained on, by content, are passed over and counted.

    Args:
        bundle: what to measure.
        dataset: labelled images; its classes, matched by name, must all be the bundle's.
        split: which of the dataset's splits; by default ``test``, else ``validation``, else everything.
        strict: raise `ImageError` on the first unreadable image instead of leaving it out.
        engine: what runs the network, ``"auto"``, ``"onnx"`` or ``"torch"``.
        cache_directory: where features are kept; None keeps none.
        progress: told how far it is.

    Raises:
        DatasetError: unknown classes or split, or no image left to measure.
    """
    chosen = choose_split(dataset, split)
    samples = relabelled(dataset, dataset.splits[chosen], bundle.record.classes)
    options = FeatureOptions(engine=engine, views=bundle.views)
    extractor = Extractor(bundle.network, options, samples=samples, cache_directory=cache_directory, progress=progress)
    found = extractor.extract(samples, strict=strict, progress=progress)
    trained_on = {digest for name in ("train", "validation") for _, digest in bundle.split.get(name, ())}
    fresh = np.array([digest not in trained_on for digest in found.digests], bool)
    if not fresh.any():
        raise DatasetError(
            f"{dataset.name}: no image of split {chosen!r} is left to measure "
            f"({len(found.samples)} were trained on, {len(found.left_out)} cannot be read)"
        )
    probabilities = bundle.probabilities(bundle.head.logits(found.features[fresh]))
    return Evaluation(
        dataset=dataset.name,
        split=chosen,
        images=int(fresh.sum()),
        seen=int((~fresh).sum()),
        left_out=(*dataset.left_out, *found.left_out),
        metrics=measure(probabilities, found.labels[fresh], bundle.record.classes),
    )


def choose_split(dataset: Dataset, asked: str | None) -> str:
    """Return the split to measure on: the one asked for, else the first there is of test, validation, all and train.

    Raises:
        DatasetError: there is no such split, or no image.
    """
    if asked is not None:
        if asked not in dataset.splits:
            raise DatasetError(f"{dataset.name}: has no split {asked!r}; it has: {', '.join(dataset.splits)}")
        return asked
    for name in ("test", "validation", ALL, "train"):
        if dataset.splits.get(name):
            return name
    raise DatasetError(f"{dataset.name}: there are no images in it")


def relabelled(dataset: Dataset, samples: Sequence[Sample], classes: Sequence[str]) -> tuple[Sample, ...]:
    """Return samples with the labels that `classes`, a bundle's, has for their class names.

    Raises:
        DatasetError: a class of the dataset is not one of them.
    """
    position = {name: index for index, name in enumerate(classes)}
    unknown = [name for name in dataset.class_names if name not in position]
    if unknown:
        hint = did_you_mean(unknown[0], classes) or ";"
        raise DatasetError(
            f"{dataset.name}: class {unknown[0]!r} is not one of the bundle's{hint} they are: {', '.join(classes[:20])}"
        )
    labels = [position[name] for name in dataset.class_names]
    return tuple(replace(sample, label=labels[sample.label]) for sample in samples)
