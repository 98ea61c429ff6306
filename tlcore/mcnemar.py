"""Comparing two classifiers on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from tlcore.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """The exact McNemar test of two classifiers on the same images.

    Attributes:
        only_first: images that the first alone answers rightly.
        only_second: images that the second alone answers rightly.
        p_value: how probable so uneven a division is, or a more uneven one, were both equally good; two-sided, in [0, 1].
    """

    only_first: int
    only_second: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return the test as JSON-ready values."""
        return {"only_first": self.only_first, "only_second": self.only_second, "p_value": self.p_value}


def compare_answers(first: Bool[np.ndarray, " images"], second: Bool[np.ndarray, " images"]) -> McNemar:
    """Test whether two classifiers are right equally often.

    Args:
        first: whether the first classifier's answer to each image is right.
        second: whether the second's is, in the same order.

    Raises:
        DatasetError: they do not speak of the same number of images.

    Source: McNemar 1947, Note on the sampling error of the difference between correlated proportions or percentages; exact
    by the binomial distribution.

    Examples:
        >>> compare_answers(np.array([True] * 6), np.array([True, False, False, False, False, False])).p_value
        0.0625
    """
    from scipy.stats import binomtest

    if first.shape != second.shape:
        raise DatasetError(f"two classifiers are compared on the same images, got answers to {len(first)} and {len(second)}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p_value = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)
