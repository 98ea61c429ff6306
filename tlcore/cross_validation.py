"""k-fold cross-validation of a head on features: the whole dataset measured, each image by a fit that did not see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from tlcore.data.folds import assign_folds
from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.dataset import ALL, Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.features import FeatureSet
from tlcore.head import Head, HeadData
from tlcore.metrics import Metrics, fit_temperature, measure
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.softmax import softmax


def cross_validate(
    features: Mapping[str, FeatureSet],
    head: Head,
    class_names: Sequence[str],
    *,
    folds: int,
    validation: float,
    seed: int,
    together: Iterable[Sequence[str]] = (),
    progress: Progress = silent,
) -> Metrics:
    """Measure a head by k-fold cross-validation over all splits put together.

    In each fold the head chooses its settings on validation images taken from that fold's training images, and the
    temperature is fitted on them, as in training; the predictions of all folds are measured as one.

    Args:
        features: split name to features; the splits are put together.
        head: what to measure.
        class_names: in label order.
        folds: how many.
        validation: share of each fold's training images to choose settings by, in [0, 0.9].
        seed: of the division and the fits.
        together: sets of sample names that must not straddle folds.

    Raises:
        DatasetError: too many folds, or a fold whose training images are of one class.
    """
    parts = tuple(features.values())
    probabilities = cross_validated_probabilities(
        tuple(sample for part in parts for sample in part.samples),
        np.concatenate([part.features for part in parts]),
        head,
        class_names,
        views=tuple(np.concatenate(view) for view in zip(*(part.views for part in parts), strict=True)),
        folds=folds,
        validation=validation,
        seed=seed,
        together=together,
        progress=progress,
    )
    return measure(probabilities, np.concatenate([part.labels for part in parts]), class_names)


def cross_validated_probabilities(
    samples: Sequence[Sample],
    rows: Float32[np.ndarray, "images features"],
    head: Head,
    class_names: Sequence[str],
    *,
    folds: int,
    validation: float,
    seed: int,
    views: Sequence[Float32[np.ndarray, "images features"]] = (),
    together: Iterable[Sequence[str]] = (),
    progress: Progress = silent,
) -> Float32[np.ndarray, "images classes"]:
    """Return what a head fitted on the other folds says of each image.

    Args:
        samples: the images.
        rows: features of each, by which it is judged.
        views: features of each view to learn from, as rows; none where `rows` are that.
        head, class_names, folds, validation, seed, together, progress: as in `cross_validate`.
    """
    sets = tuple(together)
    labels = np.array([sample.label for sample in samples], np.int64)
    position = {sample.name: index for index, sample in enumerate(samples)}
    fold_of = assign_folds(samples, folds, seed, together=sets)
    probabilities = np.zeros((len(samples), len(class_names)), np.float32)
    for fold in range(folds):
        progress(ProgressEvent("cross-validation", fold, folds))
        rest = tuple(sample for sample, own in zip(samples, fold_of.tolist(), strict=True) if own != fold)
        learn, choose = validation_split(rest, class_names, validation, seed, sets)
        train, held = (np.array([position[sample.name] for sample in part], np.int64) for part in (learn, choose))
        if len(np.unique(labels[train])) < 2:
            raise DatasetError(f"fold {fold + 1} of {folds} would learn from images of one class; use fewer folds")
        fit = head.fit(
            HeadData.of_views([view[train] for view in views or (rows,)], labels[train]),
            HeadData(features=rows[held], labels=labels[held]),
            len(class_names),
            seed=seed,
        )
        chosen = fit.validation_logits
        temperature = fit_temperature(chosen, labels[held]) if chosen is not None and len(chosen) else 1.0
        tested = fold_of == fold
        probabilities[tested] = softmax(fit.head.logits(rows[tested]), temperature)
    progress(ProgressEvent("cross-validation", folds, folds))
    return probabilities


def validation_split(
    samples: Sequence[Sample], class_names: Sequence[str], share: float, seed: int, together: Iterable[Sequence[str]]
) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Divide samples into those to learn from and a share to choose settings by."""
    whole = Dataset(name="fold", class_names=tuple(class_names), splits={ALL: samples})
    split = split_dataset(whole, SplitFractions(validation=share, test=0.0), seed, together=together)
    return split.splits["train"], split.splits["validation"]
