"""k-fold division: each image is tested once, by a model that has not seen it or a copy of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64

from tlcore.data.splits import families_by_class
from tlcore.dataset import Sample
from tlcore.errors import DatasetError


def assign_folds(
    samples: Sequence[Sample], folds: int, seed: int, *, together: Iterable[Sequence[str]] = ()
) -> Int64[np.ndarray, " images"]:
    """Return the fold of each sample, in [0, folds): stratified by class, groups and shared pictures undivided.

    Args:
        samples: what to divide; names are unique.
        folds: how many, from 2 to the number of samples.
        seed: of the shuffle; the same seed and names give the same folds, whatever the order of the samples.
        together: sets of sample names that must share a fold, for instance `AuditReport.duplicate_sets`.

    Raises:
        DatasetError: fewer than two folds, or more folds than samples.

    Examples:
        >>> from tlcore.images import BytesImage
        >>> samples = [Sample(BytesImage(b""), f"{index}.png", label=index % 2) for index in range(6)]
        >>> folds = assign_folds(samples, 3, seed=0)
        >>> [sorted(folds[label::2].tolist()) for label in (0, 1)]
        [[0, 1, 2], [0, 1, 2]]
    """
    if not 2 <= folds <= len(samples):
        raise DatasetError(f"folds must lie between 2 and the number of images, {len(samples)}; got {folds}")
    fold_of = np.zeros(len(samples), np.int64)
    totals = [0] * folds
    for label, families in families_by_class(samples, together).items():
        own = [0] * folds
        sizes = families.sizes
        shuffled = np.random.default_rng([seed, label]).permutation(len(families)).tolist()
        # The largest first, each to the fold that has fewest of the class, then fewest at all.
        for index in sorted(shuffled, key=sizes.__getitem__, reverse=True):
            fold = min(range(folds), key=lambda fold: (own[fold], totals[fold], fold))
            own[fold] += sizes[index]
            totals[fold] += sizes[index]
            fold_of[families[index]] = fold
    return fold_of
