from __future__ import annotations

import numpy as np

from tlcore import HeadData
from tlcore_heads.row_folds import row_folds


def rows(labels: list[int], *, shown: list[int] | None = None, same: tuple[int, int] | None = None) -> HeadData:
    """Rows of random features, two of them equal where asked."""
    features = np.random.default_rng(0).standard_normal((len(labels), 3)).astype(np.float32)
    if same is not None:
        features[same[1]] = features[same[0]]
    images = np.array(shown, np.int64) if shown is not None else None
    return HeadData(features=features, labels=np.array(labels, np.int64), shown=images)


def test_each_class_is_spread_over_the_folds() -> None:
    folds = row_folds(rows([0, 1] * 6), 3, seed=0)
    assert folds is not None
    assert [np.bincount(folds[label::2]).tolist() for label in (0, 1)] == [[2, 2, 2], [2, 2, 2]]


def test_equal_rows_and_views_of_one_image_stay_together() -> None:
    folds = row_folds(rows([0, 1] * 6, shown=[0, 1, 2, 3, 4, 5] * 2, same=(0, 2)), 3, seed=0)
    assert folds is not None
    assert folds[0] == folds[2]
    np.testing.assert_array_equal(folds[:6], folds[6:])


def test_where_too_few_would_be_left_there_are_none() -> None:
    assert row_folds(rows([0, 1, 2]), 4, seed=0) is None
    assert row_folds(rows([0, 0, 1]), 2, seed=0) is None
