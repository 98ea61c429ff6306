from __future__ import annotations

from collections import Counter

import pytest

from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.dataset import Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.images import BytesImage


def dataset(counts: dict[int, int], per_group: int = 1) -> Dataset:
    samples = [
        Sample(BytesImage(b""), f"{label}/{index:04d}", label, f"{label}-{index // per_group}" if per_group > 1 else None)
        for label, count in counts.items()
        for index in range(count)
    ]
    return Dataset(name="d", class_names=tuple(str(label) for label in counts), splits={"all": tuple(samples)})


def counted(data: Dataset) -> dict[str, Counter[int]]:
    return {split: Counter(sample.label for sample in samples) for split, samples in data.splits.items()}


def test_shares_hold_in_each_class() -> None:
    split = counted(split_dataset(dataset({0: 100, 1: 40, 2: 1000}), SplitFractions(), seed=3))
    for label, count in ((0, 100), (1, 40), (2, 1000)):
        assert split["test"][label] == round(0.2 * count)
        assert split["validation"][label] == round(0.15 * count)


def test_every_image_is_in_exactly_one_split() -> None:
    data = dataset({0: 33, 1: 57})
    split = split_dataset(data, SplitFractions(), seed=0)
    assert sorted(sample.name for sample in split.samples) == sorted(sample.name for sample in data.samples)


def test_same_seed_same_split_whatever_the_order_of_files() -> None:
    data = dataset({0: 50, 1: 50})
    shuffled = Dataset(name="d", class_names=data.class_names, splits={"all": tuple(reversed(data.samples))})
    assert split_dataset(data, SplitFractions(), 7).splits == split_dataset(shuffled, SplitFractions(), 7).splits
    assert split_dataset(data, SplitFractions(), 7).splits != split_dataset(data, SplitFractions(), 8).splits


def test_groups_never_straddle() -> None:
    split = split_dataset(dataset({0: 90, 1: 90}, per_group=6), SplitFractions(), seed=1)
    where: dict[str | None, set[str]] = {}
    for name, samples in split.splits.items():
        for sample in samples:
            where.setdefault(sample.group, set()).add(name)
    assert len(where) == 30
    assert all(len(names) == 1 for names in where.values())


@pytest.mark.parametrize(("images", "expected"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1))])
def test_tiny_classes_train_first(images: int, expected: tuple[int, int, int]) -> None:
    split = counted(split_dataset(dataset({0: 50, 1: images}), SplitFractions(), seed=0))
    assert tuple(split[name][1] for name in ("train", "validation", "test")) == expected


def test_given_splits_are_kept_and_validation_comes_from_train() -> None:
    data = dataset({0: 20, 1: 20})
    given = Dataset(name="d", class_names=data.class_names, splits={"train": data.samples[5:], "test": data.samples[:5]})
    split = split_dataset(given, SplitFractions(validation=0.25), seed=0)
    assert split.splits["test"] == data.samples[:5]
    assert len(split.splits["train"]) + len(split.splits["validation"]) == 35
    assert len(split.splits["validation"]) == 9


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"together below 1, got 0\.5 and 0\.5"):
        SplitFractions(validation=0.5, test=0.5)


def test_no_training_images_are_refused() -> None:
    given = Dataset(name="d", class_names=("0",), splits={"train": (), "test": dataset({0: 3}).samples})
    with pytest.raises(DatasetError, match="the train split is empty"):
        split_dataset(given, SplitFractions(), 0)


def test_pictures_that_belong_together_never_straddle() -> None:
    data = dataset({0: 60, 1: 60})
    together = [(f"0/{index:04d}", f"0/{index + 1:04d}") for index in range(0, 40, 2)] + [
        ("0/0001", "1/0007"),
        ("gone", "1/0003"),
    ]
    split = split_dataset(data, SplitFractions(), seed=2, together=together)
    where = {sample.name: name for name, samples in split.splits.items() for sample in samples}
    assert len(where) == 120
    for names in together:
        assert len({where[name] for name in names if name in where}) == 1


def test_one_large_group_does_not_swallow_the_test_split() -> None:
    samples = [Sample(BytesImage(b""), f"{index:03d}", 0, "large" if index < 80 else None) for index in range(100)]
    samples += [Sample(BytesImage(b""), f"b{index:03d}", 1) for index in range(100)]
    data = Dataset(name="d", class_names=("a", "b"), splits={"all": tuple(samples)})
    for seed in range(5):
        split = counted(split_dataset(data, SplitFractions(), seed))
        assert split["train"][0] >= 80
        assert split["test"][0] > 0


def test_a_class_that_is_one_group_goes_to_train() -> None:
    samples = [
        Sample(BytesImage(b""), f"{label}{index}", label, "one" if label else None) for label in (0, 1) for index in range(9)
    ]
    split = counted(
        split_dataset(Dataset(name="d", class_names=("a", "b"), splits={"all": tuple(samples)}), SplitFractions(), 0)
    )
    assert (split["train"][1], split["test"][1]) == (9, 0)


def test_given_test_classes_without_training_images_are_named() -> None:
    rows = {"train": (0, 1), "test": (0, 2, 3)}
    splits = {
        name: tuple(Sample(BytesImage(b""), f"{name}{label}", label) for label in labels) for name, labels in rows.items()
    }
    data = Dataset(name="pets", class_names=("a", "b", "c", "d"), splits=splits)
    with pytest.raises(
        DatasetError, match=r"pets: 2 classes of test without any image in train: 'c', 'd'; add images of them"
    ):
        split_dataset(data, SplitFractions(), 0)
