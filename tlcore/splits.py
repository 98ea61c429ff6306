"""Dividing an unsplit dataset into train, validation and test: seeded, stratified by class, never through a group."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np

from tlcore.dataset import ALL, Dataset, Sample
from tlcore.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class SplitFractions:
    """Which share of each class is held out.

    Attributes:
        validation: share in [0, 0.9] for choosing the regularisation.
        test: share in [0, 0.9] for measuring; the two together stay below 1.
    """

    validation: float = 0.15
    test: float = 0.2

    def __post_init__(self) -> None:
        if not (0 <= self.validation <= 0.9 and 0 <= self.test <= 0.9 and self.validation + self.test < 1):
            raise DatasetError(
                f"validation and test shares must be at least 0 and together below 1, got {self.validation} and {self.test}"
            )


def split_dataset(dataset: Dataset, fractions: SplitFractions, seed: int) -> Dataset:
    """Return the dataset with train, validation and test splits.

    An unsplit dataset is divided class by class. One that brings train and test keeps them, and validation is taken from
    train; one that brings all three is returned as it is. A class of one image goes to train whole, one of two to train
    and test. Samples that share a group stay together, under the label most of them have.

    Args:
        dataset: what to divide.
        fractions: shares for validation and test.
        seed: of the shuffle; the same seed and names give the same split, whatever the order of the files.
    """
    if not dataset.is_split:
        train, validation, test = _divide(dataset.splits[ALL], fractions, seed)
        return replace(dataset, splits={"train": train, "validation": validation, "test": test})
    splits = dict(dataset.splits)
    if not splits.get("train"):
        raise DatasetError(f"{dataset.name}: the train split is empty; there is nothing to learn from")
    if "test" not in splits and "validation" not in splits:
        splits["train"], splits["validation"], splits["test"] = _divide(splits["train"], fractions, seed)
    elif "validation" not in splits:
        held_out = SplitFractions(validation=fractions.validation, test=0.0)
        splits["train"], splits["validation"], _ = _divide(splits["train"], held_out, seed)
    elif "test" not in splits:
        splits["test"] = ()
    return replace(dataset, splits=splits)


def _divide(
    samples: tuple[Sample, ...], fractions: SplitFractions, seed: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], tuple[Sample, ...]]:
    """Assign whole groups to test, then validation, then train, so that each class meets its shares."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[f"group\0{sample.group}" if sample.group is not None else f"name\0{sample.name}"].append(sample)
    by_class: dict[int, list[list[Sample]]] = defaultdict(list)
    for _, members in sorted(groups.items()):
        majority = Counter(sample.label for sample in members).most_common(1)[0][0]
        by_class[majority].append(sorted(members, key=lambda sample: sample.name))
    chosen: dict[str, list[Sample]] = {"train": [], "validation": [], "test": []}
    for label, class_groups in sorted(by_class.items()):
        order = np.random.default_rng([seed, label]).permutation(len(class_groups))
        for split, indices in _assign(class_groups, order, fractions).items():
            chosen[split] += [sample for index in indices for sample in class_groups[index]]
    position = {sample.name: index for index, sample in enumerate(sorted(samples, key=lambda sample: sample.name))}
    train, validation, test = (
        tuple(sorted(chosen[split], key=lambda sample: position[sample.name])) for split in ("train", "validation", "test")
    )
    return train, validation, test


def _assign(class_groups: list[list[Sample]], order: np.ndarray, fractions: SplitFractions) -> dict[str, list[int]]:
    total = sum(len(members) for members in class_groups)
    wanted = {"test": _share(total, fractions.test, at_least_from=2)}
    wanted["validation"] = _share(total, fractions.validation, at_least_from=3)
    assigned: dict[str, list[int]] = {"test": [], "validation": [], "train": []}
    filled = {"test": 0, "validation": 0}
    remaining = [int(index) for index in order]
    for split in ("test", "validation"):
        while filled[split] < wanted[split] and len(remaining) > 1:
            index = remaining.pop()
            assigned[split].append(index)
            filled[split] += len(class_groups[index])
    assigned["train"] = remaining
    return assigned


def _share(total: int, fraction: float, at_least_from: int) -> int:
    if fraction == 0 or total < at_least_from:
        return 0
    return max(1, round(total * fraction))
