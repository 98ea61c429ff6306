from __future__ import annotations

from collections import Counter

import pytest

from tlcore.data.subset import beginning, nested_order
from tlcore.dataset import Sample
from tlcore.errors import DatasetError
from tlcore.images import BytesImage


def samples(**counts: int) -> list[Sample]:
    return [
        Sample(BytesImage(b""), f"{name}/{index}.png", label=label)
        for label, (name, count) in enumerate(counts.items())
        for index in range(count)
    ]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_every_beginning_has_each_class_in_its_share(share: float) -> None:
    part = beginning(nested_order(samples(cat=80, dog=40, owl=20), 0), share)
    counts = Counter(sample.label for sample in part)
    assert all(abs(counts[label] - share * whole) <= 1 for label, whole in enumerate((80, 40, 20)))


def test_smaller_parts_lie_in_larger_ones() -> None:
    ordered = nested_order(samples(cat=30, dog=11), 3)
    small, large = ({sample.name for sample in beginning(ordered, share)} for share in (0.25, 0.5))
    assert small < large


def test_the_order_of_the_files_does_not_matter_and_the_seed_does() -> None:
    given = samples(cat=9, dog=9)
    assert nested_order(given, 1) == nested_order(given[::-1], 1) != nested_order(given, 2)


def test_rare_classes_keep_two_images() -> None:
    part = beginning(nested_order(samples(cat=100, newt=3), 0), 0.1)
    assert Counter(sample.label for sample in part)[1] == 2


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_senseless_shares_are_told(share: float) -> None:
    with pytest.raises(DatasetError, match="a share must be above 0 and at most 1"):
        beginning(samples(cat=3), share)
