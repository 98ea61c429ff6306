"""Accuracy against images per class, and what more images would bring."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from tlcore.data.preparation import Preparation, admit, divide
from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.data.subset import nested_order
from tlcore.dataset import ALL, Dataset, Sample
from tlcore.default_backbone import make_backbone
from tlcore.errors import DatasetError, OptionError
from tlcore.features import FeatureSet
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.head import Head, HeadData
from tlcore.learning_curve.extrapolation import extrapolate
from tlcore.learning_curve.power_law import LEAST_SIZES
from tlcore.learning_curve.result import CurvePoint, LearningCurve
from tlcore.metrics import Share
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.registry import Registry


@dataclass(frozen=True, kw_only=True)
class LearningCurveOptions:
    """How to draw a learning curve.

    Attributes:
        backbone: a name as `Registry.resolve` takes it; None takes what `default_backbone` chooses.
        head: likewise.
        dataset_options, backbone_options, head_options: option name to value, for the plugin objects.
        repeats: draws of each size.
        test: share of the images held out to measure with, where the dataset does not say itself.
        seed: of the split, the draws and the fits.
        engine: what runs the network; see `tlcore.engines`.
        audit: look for copies first, and keep them on one side of the split.
        exclude: exclusion list of images to leave out.
    """

    backbone: str | None = None
    head: str = "linear"
    dataset_options: Mapping[str, object] = field(default_factory=dict)
    backbone_options: Mapping[str, object] = field(default_factory=dict)
    head_options: Mapping[str, object] = field(default_factory=dict)
    repeats: int = 5
    test: float = 0.3
    seed: int = 0
    engine: str = "auto"
    audit: bool = True
    exclude: Path | None = None

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise OptionError(f"repeats must be at least 2, got {self.repeats}")
        if not 0 < self.test <= 0.9:
            raise OptionError(f"the share held out for testing must be above 0 and at most 0.9, got {self.test:g}")


def draw_learning_curve(
    dataset: str,
    options: LearningCurveOptions,
    *,
    registry: Registry,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> LearningCurve:
    """Measure accuracy on fixed test images as the training images grow, and foretell it beyond them.

    Args:
        dataset: a dataset's name, or a path to a folder of photos.
        options: how.
        registry: where names are looked up.
        cache_directory: where features are kept between runs; None keeps none.
        progress: told how far it is.

    Raises:
        TlcoreError: one of its kinds, naming what to mend; for one, too few images per class for three sizes.
    """
    started = time.perf_counter()
    head = registry.head(options.head, options.head_options)
    preparation = Preparation(
        fractions=SplitFractions(validation=0.0, test=options.test),
        seed=options.seed,
        audit=options.audit,
        exclude=options.exclude,
    )
    admitted = admit(registry.dataset(dataset, options.dataset_options), preparation, registry)
    prepared = divide(admitted, preparation, cache_directory=cache_directory, progress=progress)
    splits = prepared.dataset.splits
    pool, test = (*splits["train"], *splits.get("validation", ())), splits.get("test", ())
    if not test:
        raise DatasetError(f"{admitted.dataset.name}: has no test images to measure a learning curve on")
    sizes = curve_sizes(pool)
    reference, backbone, note = make_backbone(options.backbone, options.backbone_options, registry, cache_directory)
    samples = (*pool, *test)
    extractor = Extractor(
        backbone, FeatureOptions(engine=options.engine), samples=samples, cache_directory=cache_directory, progress=progress
    )
    features = extractor.extract(samples, progress=progress)
    measured = _Draws(features.select(pool), features.select(test), head, prepared.dataset, options)
    correct = measured.run(sizes, progress)
    per_class = np.array(sizes, np.float64) / len({sample.label for sample in pool})
    return LearningCurve(
        dataset=prepared.dataset.name,
        backbone=reference,
        head=options.head,
        classes=len(prepared.dataset.class_names),
        test_images=correct.shape[2],
        repeats=options.repeats,
        points=tuple(_points(sizes, per_class, correct)),
        accuracy=Share.of(int(correct[-1, 0].sum()), correct.shape[2]),
        extrapolation=extrapolate(per_class, correct, seed=options.seed),
        left_out=(*prepared.dataset.left_out, *features.left_out),
        notes=(*note, *prepared.notes),
        seconds=time.perf_counter() - started,
    )


def curve_sizes(pool: Sequence[Sample]) -> tuple[int, ...]:
    """Return the numbers of images to learn from: all, and halves of that down to two per class, at most eight sizes.

    Raises:
        DatasetError: there are not three such sizes.
    """
    classes = len({sample.label for sample in pool})
    sizes = [len(pool)]
    while sizes[-1] / 2 >= 2 * classes and len(sizes) < 8:
        sizes.append(round(sizes[-1] / 2))
    if len(sizes) < LEAST_SIZES:
        raise DatasetError(
            f"{len(pool)} images of {classes} classes to learn from are too few for a learning curve: "
            f"it takes 8 of each class or more, and as many again held out"
        )
    return tuple(reversed(sizes))


def _points(
    sizes: Sequence[int], per_class: np.ndarray, correct: Bool[np.ndarray, "sizes draws images"]
) -> list[CurvePoint]:
    accuracies = correct.mean(axis=2)
    return [
        CurvePoint(
            images=size,
            per_class=float(per_class[index]),
            accuracy=float(accuracies[index].mean()),
            lowest=float(accuracies[index].min()),
            highest=float(accuracies[index].max()),
        )
        for index, size in enumerate(sizes)
    ]


class _Draws:
    """Learns from draws of growing size and notes which test images are named rightly."""

    def __init__(
        self, pool: FeatureSet, test: FeatureSet, head: Head, dataset: Dataset, options: LearningCurveOptions
    ) -> None:
        self._pool = pool
        self._test = test
        self._head = head
        self._dataset = dataset
        self._options = options

    def run(self, sizes: Sequence[int], progress: Progress) -> Bool[np.ndarray, "sizes draws images"]:
        """Return whether each test image was named rightly at each size by each draw."""
        repeats = self._options.repeats
        correct = np.zeros((len(sizes), repeats, len(self._test.samples)), bool)
        total = (len(sizes) - 1) * repeats + 1
        for repeat in range(repeats):
            ordered = nested_order(self._pool.samples, self._options.seed + repeat)
            for index, size in enumerate(sizes[:-1]):
                progress(ProgressEvent("learning curve", repeat * (len(sizes) - 1) + index, total))
                correct[index, repeat] = self._learn(ordered[:size], self._options.seed + repeat)
        correct[-1] = self._learn(self._pool.samples, self._options.seed)
        progress(ProgressEvent("learning curve", total, total))
        return correct

    def _learn(self, samples: Sequence[Sample], seed: int) -> Bool[np.ndarray, " images"]:
        drawn = Dataset(name="draw", class_names=self._dataset.class_names, splits={ALL: tuple(samples)})
        split = split_dataset(drawn, SplitFractions(validation=0.15, test=0.0), seed).splits
        train, validation = (self._pool.select(split[name]) for name in ("train", "validation"))
        fit = self._head.fit(
            HeadData(features=train.features, labels=train.labels),
            HeadData(features=validation.features, labels=validation.labels),
            len(self._dataset.class_names),
            seed=seed,
        )
        right: np.ndarray = fit.head.logits(self._test.features).argmax(axis=1) == self._test.labels
        return right
