"""Datasets: named splits of labelled images. They know nothing of tensors."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tlcore.errors import DatasetError
from tlcore.packed_samples import join_samples, labels_of, names_of
from tlcore.sample import Sample as Sample

ALL = "all"
"""The name of the one split of a dataset that comes unsplit; `tlcore.data.splits.split_dataset` divides it."""

SPLIT_NAMES = ("train", "validation", "test")

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python puts where a file's name is no valid UTF-8."""


@dataclass(frozen=True)
class LeftOut:
    """An image that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images in named splits.

    Attributes:
        name: how the user asked for it.
        class_names: in label order.
        splits: split name to samples, for instance a tuple; either the one split ``"all"`` or some of ``"train"``,
            ``"validation"``, ``"test"``. Readers of very many fill a `tlcore.packed_samples.SampleStore`.
        left_out: files that looked like images of the dataset and cannot be used.
        licence, citation, homepage: kept in every bundle trained on it.

    Raises:
        DatasetError: no classes, duplicate class names, a label out of range, an unknown split name, two samples with one
            name, or no image at all.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, Sequence[Sample]]
    left_out: tuple[LeftOut, ...] = ()
    licence: str = ""
    citation: str = ""
    homepage: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", MappingProxyType(dict(self.splits)))
        repeated = [name for name, count in Counter(self.class_names).items() if count > 1]
        if repeated:
            raise DatasetError(f"{self.name}: class {repeated[0]!r} is listed twice")
        unwritable = [name for name in self.class_names if _SURROGATE.search(name)]
        if unwritable:
            raise DatasetError(f"{self.name}: class {unwritable[0]!r} is no valid UTF-8 and cannot be saved; rename it")
        if set(self.splits) != {ALL} and not set(self.splits) <= set(SPLIT_NAMES):
            raise DatasetError(
                f"{self.name}: splits are {', '.join(SPLIT_NAMES)}, or {ALL!r} alone; got {', '.join(self.splits)}"
            )
        if not any(len(samples) for samples in self.splits.values()):
            raise DatasetError(f"{self.name}: there are no images in it")
        self._check_labels()
        repeated_name = _first_repeated(self.splits.values())
        if repeated_name is not None:
            raise DatasetError(f"{self.name}: two images are named {repeated_name!r}")

    def _check_labels(self) -> None:
        for split, samples in self.splits.items():
            labels = labels_of(samples)
            outside = np.flatnonzero((labels < 0) | (labels >= len(self.class_names)))
            if len(outside):
                first = samples[int(outside[0])]
                raise DatasetError(
                    f"{self.name}: {first.name} in {split} has label {first.label}, "
                    f"but there are {len(self.class_names)} classes"
                )

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples, split by split."""
        return join_samples(self.splits.values())

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Split name to class name to number of images, splits in their usual order, classes that have images."""
        found: dict[str, dict[str, int]] = {}
        for split in (ALL, *SPLIT_NAMES):
            if split in self.splits:
                labels, numbers = np.unique(labels_of(self.splits[split]), return_counts=True)
                found[split] = {
                    self.class_names[label]: number for label, number in zip(labels.tolist(), numbers.tolist(), strict=True)
                }
        return found

    @property
    def is_split(self) -> bool:
        """True where the dataset says itself which images are for training and which for testing."""
        return ALL not in self.splits

    @property
    def digest(self) -> str:
        """SHA-256 over class names, splits, sample names and labels, as 64 hexadecimal digits."""
        summary = hashlib.sha256()
        for class_name in self.class_names:
            summary.update(f"class\0{class_name}\0".encode())
        for split in sorted(self.splits):
            samples = self.splits[split]
            for name, label in zip(names_of(samples), labels_of(samples).tolist(), strict=True):
                summary.update(f"{split}\0{name}\0{label}\0".encode("utf-8", "surrogateescape"))
        return summary.hexdigest()


def _first_repeated(splits: Iterable[Sequence[Sample]]) -> str | None:
    """Return a name that two samples have, or None; goes by hashes first, which take less memory than a set of names."""
    parts = list(splits)
    hashes = np.fromiter((hash(name) for part in parts for name in names_of(part)), np.int64)
    hashes.sort()
    suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    seen: set[str] = set()
    for name in (name for part in parts if suspects for name in names_of(part)):
        if name in seen:
            return name
        if hash(name) in suspects:
            seen.add(name)
    return None
