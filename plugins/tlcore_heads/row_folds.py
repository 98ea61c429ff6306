"""Division of a head's training rows into folds: equal rows and views of one image stay together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from tlcore.data.connected import connected_sets
from tlcore.data.folds import assign_folds
from tlcore.dataset import Sample
from tlcore.head import HeadData
from tlcore.images import BytesImage


def row_folds(train: HeadData, folds: int, seed: int) -> Int64[np.ndarray, " images"] | None:
    """Return the fold of each training row, stratified by class, or None where too few are left to learn from.

    Args:
        train: what to divide.
        folds: how many, at most; never more than the rows of the largest class.
        seed: of the shuffle.
    """
    folds = min(folds, int(np.unique(train.labels, return_counts=True)[1].max()))
    if folds < 2:
        return None
    _, same = np.unique(train.features, axis=0, return_inverse=True)
    _, family = np.unique(_families(same, train.images), return_inverse=True)
    shared = np.bincount(family)[family] > 1
    samples = [
        Sample(BytesImage(b""), str(index), label=int(label), group=str(family[index]) if shared[index] else None)
        for index, label in enumerate(train.labels)
    ]
    fold_of = assign_folds(samples, folds, seed)
    learnable = all(len(np.unique(train.labels[fold_of != fold])) > 1 for fold in range(folds))
    return fold_of if learnable else None


def _families(same: Int64[np.ndarray, " images"], images: Int64[np.ndarray, " images"]) -> Int64[np.ndarray, " images"]:
    """Return a number for each row, equal where rows are equal or show one image."""
    pairs = np.concatenate([_links(same), _links(images)])
    family = np.arange(len(same))
    for members in connected_sets([(int(first), int(second)) for first, second in pairs]):
        family[members] = members[0]
    return family


def _links(values: Int64[np.ndarray, " images"]) -> Int64[np.ndarray, "links 2"]:
    """Return (first row of the same value, row) for each row that is not the first."""
    _, first, place = np.unique(values, return_index=True, return_inverse=True)
    rows = np.arange(len(values))
    pairs = np.stack([first[place], rows], axis=1)
    links: np.ndarray = pairs[pairs[:, 0] != pairs[:, 1]]
    return links
