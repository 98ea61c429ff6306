"""Accuracy by what else is known of the images: camera, hospital, year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tlcore.errors import DatasetError, did_you_mean
from tlcore.evaluation.predictions import Predictions
from tlcore.metrics import Share

MOST_VALUES = 20
"""A column with more values is measured only where it is asked for; numbers are put in four bins of equal count."""

_BINS = 4
_EMPTY = "(empty)"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The images that share a value.

    Attributes:
        column: what was measured by.
        value: the value they share.
        top1: share of them that is classified right.
        rest: share of all other images that is.
        p_value: of Fisher's exact test that the two are equal, corrected for the number of slices by Benjamini and Hochberg
            1995; None where there are no other images.
    """

    column: str
    value: str
    top1: Share
    rest: Share
    p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the slice as JSON-ready values."""
        return {
            "column": self.column,
            "value": self.value,
            "top1": self.top1.to_dict(),
            "rest": self.rest.to_dict(),
            "p_value": self.p_value,
        }


def measure_slices(predictions: Predictions, asked: Sequence[str], dataset: str) -> tuple[Slice, ...]:
    """Measure by metadata columns, column by column, worst value first.

    Args:
        predictions: what was said of the images.
        asked: the columns; without any, those that have 2 to `MOST_VALUES` values.
        dataset: how errors call the data.

    Raises:
        DatasetError: no image has a column that was asked for.
    """
    tables = [dict(sample.metadata) for sample in predictions.samples]
    known = list(dict.fromkeys(column for table in tables for column in table))
    for column in asked:
        if column not in known:
            hint = did_you_mean(column, known) or ";"
            listed = f"it has: {', '.join(known)}" if known else "only csv, parquet and jsonl datasets have such columns"
            raise DatasetError(f"{dataset}: has no metadata column {column!r}{hint} {listed}")
    found: list[tuple[str, str, Share, Share]] = []
    for column in asked or known:
        values = _values([table.get(column, "") for table in tables])
        distinct = len(set(values))
        if column in asked or 2 <= distinct <= MOST_VALUES:
            found += _of_column(predictions, column, np.array(values, object))
    return _tested(found)


def _values(texts: Sequence[str]) -> list[str]:
    """Return each image's value; numbers of more than `MOST_VALUES` values become the bin they lie in."""
    filled = [text for text in texts if text]
    if len(set(filled)) <= MOST_VALUES or not all(map(_is_number, filled)):
        return [text or _EMPTY for text in texts]
    edges = np.unique(np.quantile([float(text) for text in filled], np.linspace(0, 1, _BINS + 1)))
    if len(edges) < 3:
        return [text or _EMPTY for text in texts]
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges.tolist())]
    inside = edges[1:-1]
    return [names[int(np.searchsorted(inside, float(text), "right"))] if text else _EMPTY for text in texts]


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _of_column(predictions: Predictions, column: str, values: np.ndarray) -> list[tuple[str, str, Share, Share]]:
    correct, total = int(predictions.correct.sum()), len(predictions.samples)
    found = []
    for value in dict.fromkeys(values.tolist()):
        inside = values == value
        right, count = int(predictions.correct[inside].sum()), int(inside.sum())
        found.append((column, str(value), Share.of(right, count), Share.of(correct - right, total - count)))
    return sorted(found, key=lambda entry: (entry[2].value, entry[1]))


def _tested(found: Sequence[tuple[str, str, Share, Share]]) -> tuple[Slice, ...]:
    from scipy.stats import false_discovery_control, fisher_exact

    compared = [index for index, (_, _, _, rest) in enumerate(found) if rest.total]
    plain = [float(fisher_exact(_table(*found[index][2:])).pvalue) for index in compared]
    corrected = dict(zip(compared, false_discovery_control(plain).tolist() if plain else [], strict=True))
    return tuple(
        Slice(column=column, value=value, top1=top1, rest=rest, p_value=corrected.get(index))
        for index, (column, value, top1, rest) in enumerate(found)
    )


def _table(one: Share, other: Share) -> list[list[int]]:
    return [[one.correct, one.total - one.correct], [other.correct, other.total - other.correct]]
