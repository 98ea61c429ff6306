"""Dividing a dataset into train, validation and test: seeded, stratified by class, never through a group or a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from tlcore.data.connected import connected_sets
from tlcore.dataset import ALL, Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.packed_samples import groups_of, labels_of, name_order, names_of, select_samples


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


def split_dataset(
    dataset: Dataset, fractions: SplitFractions, seed: int, *, together: Iterable[Sequence[str]] = ()
) -> Dataset:
    """Return the dataset with train, validation and test splits.

    An unsplit dataset is divided class by class. One that brings train and test keeps them, and validation is taken from
    train; one that brings all three is returned as it is. A class of one image goes to train whole, one of two to train
    and test. Samples that share a group, or show the same picture, stay together, under the label most of them have; a
    class that is one group goes to train whole.

    Args:
        dataset: what to divide.
        fractions: shares for validation and test.
        seed: of the shuffle; the same seed and names give the same split, whatever the order of the files.
        together: sets of sample names that must not straddle splits, for instance `AuditReport.duplicate_sets`.

    Raises:
        DatasetError: the dataset brings splits, and train is empty or lacks a class that is measured.
    """
    if not dataset.is_split:
        train, validation, test = _divide(dataset.splits[ALL], fractions, seed, together)
        return replace(dataset, splits={"train": train, "validation": validation, "test": test})
    _check_given(dataset)
    splits = dict(dataset.splits)
    if "test" not in splits and "validation" not in splits:
        splits["train"], splits["validation"], splits["test"] = _divide(splits["train"], fractions, seed, together)
    elif "validation" not in splits:
        held_out = SplitFractions(validation=fractions.validation, test=0.0)
        splits["train"], splits["validation"], _ = _divide(splits["train"], held_out, seed, together)
    elif "test" not in splits:
        splits["test"] = ()
    return replace(dataset, splits=splits)


@dataclass(frozen=True)
class Families:
    """Sets of samples that a group or a shared picture holds together, many of one sample.

    Attributes:
        places: (samples,) the places of their samples, family by family.
        ends: (families,) where each family ends in `places`.
    """

    places: Int64[np.ndarray, " samples"]
    ends: Int64[np.ndarray, " families"]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Int64[np.ndarray, " members"]:
        return self.places[self.ends[index - 1] if index else 0 : self.ends[index]]

    @property
    def sizes(self) -> list[int]:
        """How many samples each family has."""
        sizes: list[int] = np.diff(self.ends, prepend=0).tolist()
        return sizes


def families_by_class(samples: Sequence[Sample], together: Iterable[Sequence[str]] = ()) -> dict[int, Families]:
    """Return label to families of samples, in order of the name that comes first in each.

    A family stands under the label most of its samples have. The order depends on names alone.
    """
    order = name_order(samples)
    ordered = select_samples(samples, order)
    labels = labels_of(ordered).astype(np.int64)
    family_of = np.arange(len(ordered))
    for members in connected_sets(_links(ordered, together)):
        family_of[members] = members[0]
        labels[members] = Counter(labels[members].tolist()).most_common(1)[0][0]
    by_label = np.lexsort((family_of, labels))
    starts_of_label = np.flatnonzero(np.diff(labels[by_label], prepend=-1))
    found: dict[int, Families] = {}
    for part in np.split(by_label, starts_of_label[1:]) if len(by_label) else ():
        last = np.append(np.flatnonzero(np.diff(family_of[part])), len(part) - 1)
        found[int(labels[part[0]])] = Families(order[part], last + 1)
    return found


def _links(samples: Sequence[Sample], together: Iterable[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield pairs of places of samples that a group or a shared picture holds together."""
    first_of: dict[str, int] = {}
    for place, group in enumerate(groups_of(samples)):
        if group is not None:
            yield first_of.setdefault(group, place), place
    sets = [tuple(names) for names in together]
    wanted = {name for names in sets for name in names}
    places = {name: place for place, name in enumerate(names_of(samples)) if name in wanted} if wanted else {}
    for names in sets:
        present = [places[name] for name in names if name in places]
        yield from ((present[0], other) for other in present[1:])


def _check_given(dataset: Dataset) -> None:
    if not dataset.splits.get("train"):
        raise DatasetError(f"{dataset.name}: the train split is empty; there is nothing to learn from")
    learned = np.unique(labels_of(dataset.splits["train"]))
    for split, samples in dataset.splits.items():
        unlearned = np.setdiff1d(labels_of(samples), learned)
        absent = sorted(dataset.class_names[label] for label in unlearned.tolist())
        if absent:
            listed = ", ".join(map(repr, absent[:10])) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
            raise DatasetError(
                f"{dataset.name}: {len(absent)} class{'' if len(absent) == 1 else 'es'} of {split} without any image in "
                f"train: {listed}; add images of them to train, or take them out of {split}"
            )


def _divide(
    samples: Sequence[Sample], fractions: SplitFractions, seed: int, together: Iterable[Sequence[str]]
) -> tuple[Sequence[Sample], Sequence[Sample], Sequence[Sample]]:
    """Assign whole families to test, then validation, then train, so that each class meets its shares."""
    ordered = select_samples(samples, name_order(samples))
    chosen: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for label, families in families_by_class(ordered, together).items():
        order = np.random.default_rng([seed, label]).permutation(len(families))
        for split, indices in _assign(families.sizes, order, fractions).items():
            chosen[split] += [families[index] for index in indices]
    train, validation, test = (
        select_samples(ordered, np.sort(np.concatenate([np.empty(0, np.int64), *chosen[split]])))
        for split in ("train", "validation", "test")
    )
    return train, validation, test


def _assign(sizes: list[int], order: np.ndarray, fractions: SplitFractions) -> dict[str, list[int]]:
    total = sum(sizes)
    wanted = {
        "test": _share(total, fractions.test, at_least_from=2),
        "validation": _share(total, fractions.validation, at_least_from=3),
    }
    remaining = [int(index) for index in reversed(order)]
    assigned: dict[str, list[int]] = {}
    for split in ("test", "validation"):
        assigned[split] = _take(remaining, sizes, wanted[split])
        taken = set(assigned[split])
        remaining = [index for index in remaining if index not in taken]
    assigned["train"] = remaining
    return assigned


def _take(remaining: list[int], sizes: list[int], wanted: int) -> list[int]:
    """Choose families, in order, as long as each brings the sum nearer to what is wanted; one always stays behind."""
    taken: list[int] = []
    filled = 0
    for index in remaining:
        if filled >= wanted or len(taken) == len(remaining) - 1:
            break
        if abs(filled + sizes[index] - wanted) <= wanted - filled:
            taken.append(index)
            filled += sizes[index]
    if wanted and not taken and len(remaining) > 1:
        taken = [min(remaining, key=lambda index: sizes[index])]
    return taken


def _share(total: int, fraction: float, at_least_from: int) -> int:
    if fraction == 0 or total < at_least_from:
        return 0
    return max(1, round(total * fraction))
