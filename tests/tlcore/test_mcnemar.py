from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from tlcore.errors import DatasetError
from tlcore.mcnemar import compare_answers


@pytest.mark.parametrize("seed", range(8))
def test_it_equals_statsmodels(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.random(200) < 0.9, random.random(200) < random.uniform(0.6, 0.95)
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    found = compare_answers(first, second)
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)
    assert (found.only_first, found.only_second) == (table[0][1], table[1][0])


def test_equal_answers_do_not_differ() -> None:
    right = np.array([True, False, True])
    assert compare_answers(right, right).p_value == 1.0


@pytest.mark.usefixtures("unchecked_types")
def test_answers_to_different_images_are_refused() -> None:
    with pytest.raises(DatasetError, match="on the same images, got answers to 3 and 2"):
        compare_answers(np.ones(3, bool), np.ones(2, bool))
