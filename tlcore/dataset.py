"""Datasets: named splits of labelled images. They know nothing of tensors."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tlcore.errors import DatasetError
from tlcore.images import ImageSource

ALL = "all"
"""The name of the one split of a dataset that comes unsplit; `tlcore.data.splits.split_dataset` divides it."""

SPLIT_NAMES = ("train", "validation", "test")

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python puts where a file's name is no valid UTF-8."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image.

    Attributes:
        image: where its encoded bytes come from.
        name: unique within the dataset, for instance the path relative to its root with forward slashes.
        label: index into the dataset's class names.
        group: images that share a group (one animal, one patient) never straddle splits; None where each stands alone.
        metadata: (column, value) pairs of whatever else is known of it, for instance its camera; evaluation slices by them.
    """

    image: ImageSource
    name: str
    label: int
    group: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()


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
        splits: split name to samples; either the one split ``"all"`` or some of ``"train"``, ``"validation"``, ``"test"``.
        left_out: files that looked like images of the dataset and cannot be used.
        licence, citation, homepage: kept in every bundle trained on it.

    Raises:
        DatasetError: no classes, duplicate class names, a label out of range, an unknown split name, two samples with one
            name, or no image at all.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[Sample, ...]]
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
        seen: set[str] = set()
        for split, samples in self.splits.items():
            for sample in samples:
                if not 0 <= sample.label < len(self.class_names):
                    raise DatasetError(
                        f"{self.name}: {sample.name} in {split} has label {sample.label}, "
                        f"but there are {len(self.class_names)} classes"
                    )
                if sample.name in seen:
                    raise DatasetError(f"{self.name}: two images are named {sample.name!r}")
                seen.add(sample.name)
        if not seen:
            raise DatasetError(f"{self.name}: there are no images in it")

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, split by split."""
        return tuple(sample for samples in self.splits.values() for sample in samples)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Split name to class name to number of images, splits in their usual order, classes that have images."""
        found: dict[str, dict[str, int]] = {}
        for split in (ALL, *SPLIT_NAMES):
            if split in self.splits:
                by_label = Counter(sample.label for sample in self.splits[split])
                found[split] = {self.class_names[label]: by_label[label] for label in sorted(by_label)}
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
            for sample in self.splits[split]:
                summary.update(f"{split}\0{sample.name}\0{sample.label}\0".encode("utf-8", "surrogateescape"))
        return summary.hexdigest()
