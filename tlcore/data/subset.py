"""Parts of some labelled images that lie within each other: what is seen in a small part is also in every larger one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlcore.dataset import Sample
from tlcore.errors import DatasetError


def nested_order(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    """Return the samples in an order of which every beginning has each class in about its share, drawn by a seed.

    Args:
        samples: in any order; the result depends on their names, labels and the seed alone.
        seed: of the shuffle.

    Examples:
        >>> from tlcore.images import BytesImage
        >>> samples = [Sample(BytesImage(b""), f"{index}.png", label=index % 2) for index in range(8)]
        >>> [sample.label for sample in nested_order(samples, 0)]
        [0, 1, 0, 1, 0, 1, 0, 1]
    """
    by_class: dict[int, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.name):
        by_class.setdefault(sample.label, []).append(sample)
    placed: list[tuple[float, int, Sample]] = []
    for label, own in by_class.items():
        shuffled = np.random.default_rng([seed, label]).permutation(len(own))
        placed += [((rank + 0.5) / len(own), label, own[index]) for rank, index in enumerate(shuffled)]
    return tuple(sample for _, _, sample in sorted(placed, key=lambda entry: entry[:2]))


def beginning(ordered: Sequence[Sample], share: float) -> tuple[Sample, ...]:
    """Return the first `share`, in (0, 1], of what `nested_order` gave, and at least two images of each class.

    Raises:
        DatasetError: the share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise DatasetError(f"a share must be above 0 and at most 1, got {share}")
    count = max(1, round(share * len(ordered)))
    taken = list(ordered[:count])
    counts: dict[int, int] = {}
    for sample in taken:
        counts[sample.label] = counts.get(sample.label, 0) + 1
    for sample in ordered[count:]:
        if counts.get(sample.label, 0) < 2:
            counts[sample.label] = counts.get(sample.label, 0) + 1
            taken.append(sample)
    return tuple(taken)
