"""Images whose label is probably wrong, by confident learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from tlcore.cross_validation import cross_validated_probabilities
from tlcore.dataset import Sample
from tlcore.errors import DatasetError
from tlcore.evaluation.mistakes import Case
from tlcore.evaluation.options import LabelErrors
from tlcore.head import Head
from tlcore.progress import Progress

_VALIDATION = 0.15
_MOST_WORK = 4e9
"""Images times features times classes: up to so many a head is fitted five times in a few minutes."""


@dataclass(frozen=True, kw_only=True)
class LabelErrorReport:
    """Images whose label is probably wrong.

    Source: Northcutt, Jiang and Chuang 2021, Confident learning: estimating uncertainty in dataset labels, as cleanlab
    computes it, on probabilities of heads that did not see the image.

    Attributes:
        count: how many labels confident learning holds for wrong.
        ranking: names of all judged images, likeliest wrong first.
        suspects: those held for wrong, likeliest first, with what the heads take them for instead; scored by the label's
            quality, in [0, 1], low where the label is likely wrong.
        judged: how many images were.
        folds: of the cross-validation; 0 where none was made.
        missing: why nothing was looked for, or empty.
    """

    count: int
    ranking: tuple[str, ...] = field(repr=False)
    suspects: tuple[Case, ...] = field(repr=False)
    judged: int
    folds: int
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "count": self.count,
            "judged": self.judged,
            "folds": self.folds,
            "missing": self.missing,
            "suspects": [case.to_dict() for case in self.suspects],
            "ranking": list(self.ranking),
        }


def no_label_errors(reason: str) -> LabelErrorReport:
    """Return the report of not having looked."""
    return LabelErrorReport(count=0, ranking=(), suspects=(), judged=0, folds=0, missing=reason)


def find_label_errors(
    samples: Sequence[Sample],
    features: Float32[np.ndarray, "images features"],
    class_names: Sequence[str],
    head: Head,
    *,
    wanted: LabelErrors,
    folds: int,
    seed: int,
    progress: Progress,
) -> LabelErrorReport:
    """Look for wrong labels.

    Args:
        samples: labelled images.
        features: of each.
        class_names: in label order; classes of fewer than two images are not judged.
        head: to cross-validate.
        wanted: ``"auto"`` does not look where it would take long, and says so.
        folds: of the cross-validation; fewer where the largest class has fewer images.
        seed: of the folds.
        progress: told how far it is.
    """
    if wanted == "no":
        return no_label_errors("not asked for")
    work = float(features.shape[0]) * features.shape[1] * len(class_names)
    if wanted == "auto" and work > _MOST_WORK:
        return no_label_errors(
            f"{len(samples):,} images of {len(class_names):,} classes would take long; --label-errors yes looks all the same"
        )
    counts = np.bincount([sample.label for sample in samples], minlength=len(class_names))
    judged = [index for index, sample in enumerate(samples) if counts[sample.label] >= 2]
    present = sorted({samples[index].label for index in judged})
    if len(present) < 2:
        return no_label_errors("it needs two classes of two images or more")
    position = {label: new for new, label in enumerate(present)}
    kept = tuple(replace(samples[index], label=position[samples[index].label]) for index in judged)
    names = tuple(class_names[label] for label in present)
    used = min(folds, int(counts.max()))
    try:
        probabilities = cross_validated_probabilities(
            kept, features[judged], head, names, folds=used, validation=_VALIDATION, seed=seed, progress=progress
        )
    except DatasetError as error:
        return no_label_errors(str(error))
    return _ranked(kept, probabilities, names, used)


def _ranked(samples: Sequence[Sample], probabilities: np.ndarray, names: Sequence[str], folds: int) -> LabelErrorReport:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    labels = np.array([sample.label for sample in samples], np.int64)
    exact = probabilities.astype(np.float64)
    quality = get_label_quality_scores(labels, exact, method="self_confidence")
    wrong = find_label_issues(labels, exact, filter_by="prune_by_noise_rate", n_jobs=1)
    order = np.argsort(quality, kind="stable")
    suspects = [
        Case(
            name=samples[row].name,
            true=names[int(labels[row])],
            predicted=names[int(exact[row].argmax())],
            probability=float(exact[row].max()),
            true_probability=float(exact[row, labels[row]]),
            score=float(quality[row]),
        )
        for row in order.tolist()
        if wrong[row]
    ]
    return LabelErrorReport(
        count=len(suspects),
        ranking=tuple(samples[row].name for row in order.tolist()),
        suspects=tuple(suspects),
        judged=len(samples),
        folds=folds,
    )
