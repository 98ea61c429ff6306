from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tlcore.data.folds import assign_folds
from tlcore.dataset import Sample
from tlcore.errors import DatasetError
from tlcore.images import BytesImage


def samples(counts: dict[int, int], per_group: int = 1) -> list[Sample]:
    return [
        Sample(BytesImage(b""), f"{label}/{index:04d}", label, f"{label}-{index // per_group}" if per_group > 1 else None)
        for label, count in counts.items()
        for index in range(count)
    ]


def test_folds_are_stratified_and_equal() -> None:
    data = samples({0: 103, 1: 52, 2: 5})
    folds = assign_folds(data, 5, seed=1)
    assert set(np.bincount(folds).tolist()) <= {31, 32, 33}
    for label, count in ((0, 103), (1, 52), (2, 5)):
        own = Counter(int(fold) for sample, fold in zip(data, folds, strict=True) if sample.label == label)
        assert max(own.values()) - min(own.values()) <= 1
        assert sum(own.values()) == count


def test_groups_and_shared_pictures_stay_in_one_fold() -> None:
    data = samples({0: 60, 1: 60}, per_group=4)
    folds = dict(
        zip((sample.name for sample in data), assign_folds(data, 4, 0, together=[("0/0000", "1/0059")]), strict=True)
    )
    groups: dict[str | None, set[int]] = {}
    for sample in data:
        groups.setdefault(sample.group, set()).add(int(folds[sample.name]))
    assert all(len(found) == 1 for found in groups.values())
    assert folds["0/0000"] == folds["1/0059"]


def test_same_seed_same_folds_whatever_the_order() -> None:
    data = samples({0: 30, 1: 30})
    forth = assign_folds(data, 3, 5).tolist()
    assert forth == assign_folds(data[::-1], 3, 5).tolist()[::-1]
    assert forth != assign_folds(data, 3, 6).tolist()


@pytest.mark.parametrize("folds", [0, 1, 7])
def test_impossible_numbers_of_folds(folds: int) -> None:
    with pytest.raises(DatasetError, match=f"folds must lie between 2 and the number of images, 6; got {folds}"):
        assign_folds(samples({0: 3, 1: 3}), folds, 0)
