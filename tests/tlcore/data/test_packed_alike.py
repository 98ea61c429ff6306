"""Packed samples are divided, left out and taken up again as a tuple of the same samples is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tlcore.data.exclusion import exclude_images
from tlcore.data.folds import assign_folds
from tlcore.data.split_reuse import split_like
from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.dataset import Dataset, Sample
from tlcore.packed_samples import FolderImages, PackedSamples, SampleStore

CLASSES = ("ant", "bee", "cat", "dog")


def packed(seed: int, count: int = 120) -> PackedSamples:
    """Samples in no order, a third of them in groups, classes of very unequal size."""
    random = np.random.default_rng(seed)
    store = SampleStore(FolderImages("photos"))
    for number in random.permutation(count).tolist():
        label = int(random.choice(4, p=(0.6, 0.3, 0.08, 0.02)))
        group = f"g{random.integers(count // 6)}" if random.random() < 0.3 else ""
        store.add(f"{CLASSES[label]}/{number:03d}.jpg", label, group)
    return store.samples()


def pictures(samples: Sequence[Sample], seed: int) -> list[tuple[str, ...]]:
    """Some sets of names that show one picture, across classes, one of them unknown to the dataset."""
    random = np.random.default_rng(seed)
    names = [sample.name for sample in samples]
    return [tuple(random.choice(names, size, replace=False).tolist()) for size in (2, 3, 5)] + [("nobody", names[0])]


def of(samples: Sequence[Sample]) -> Dataset:
    return Dataset(name="d", class_names=CLASSES, splits={"all": samples})


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_divides_both_alike(seed: int, tmp_path: Path) -> None:
    samples = packed(seed)
    plain, together = tuple(samples), pictures(samples, seed)
    assert np.array_equal(assign_folds(samples, 4, seed, together=together), assign_folds(plain, 4, seed, together=together))
    one, other = (split_dataset(of(every), SplitFractions(), seed, together=together) for every in (samples, plain))
    assert one == other
    assert isinstance(one.splits["train"], PackedSamples)
    earlier = {split: [(sample.name, "") for sample in part[3:]] for split, part in one.splits.items()}
    assert split_like(of(samples), earlier, together=together) == split_like(of(plain), earlier, together=together)
    (tmp_path / "leave-out.tsv").write_text("\n".join(sample.name for sample in plain[::7]), encoding="utf-8")
    left, right = (exclude_images(of(every), tmp_path / "leave-out.tsv") for every in (samples, plain))
    assert left == right
    assert len(left[0].samples) == len(plain) - len(plain[::7])


TEST = "ant/014 ant/016 ant/021 ant/023 bee/015 bee/020 bee/035 cat/009"
VALIDATION = "ant/000 ant/031 ant/037 bee/019 bee/024"
FOLDS = "1013212140130301402044432321300442131121"


def test_the_split_of_earlier_releases() -> None:
    """Kept values: a bundle's split must come out again from its seed."""
    samples = packed(0, 40)
    together = [("ant/004.jpg", "bee/010.jpg"), ("ant/000.jpg", "ant/001.jpg")]
    split = split_dataset(of(samples), SplitFractions(), 3, together=together).splits
    names = {part: " ".join(sample.name.removesuffix(".jpg") for sample in own) for part, own in split.items()}
    assert (names["test"], names["validation"]) == (TEST, VALIDATION)
    assert "".join(map(str, assign_folds(samples, 5, 3, together=together))) == FOLDS
