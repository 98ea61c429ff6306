"""Very many samples in little memory, for readers of datasets; a tuple of samples does as well where they are few."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, overload, runtime_checkable

import numpy as np
from jaxtyping import Int

from tlcore.images import FolderImage, ImageSource
from tlcore.packed_strings import PackedStrings
from tlcore.sample import Sample

_AT_ONCE = 4096


@runtime_checkable
class ImageSources(Protocol):
    """Says where the image of each sample is. Implementations are small and picklable."""

    def source(self, row: int, name: str) -> ImageSource:
        """Return the source of the image of the sample that was added as number `row`, which has that name."""
        ...


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images in files of a folder, by their samples' names.

    Attributes:
        folder: that all are in.
    """

    folder: str

    def source(self, row: int, name: str) -> FolderImage:
        """Return the file."""
        return FolderImage(self.folder, name)


@dataclass(frozen=True, slots=True)
class ChosenImages:
    """Some of many images, each by its place among them.

    Attributes:
        images: all of them.
        places: (samples,) the place of each sample's image.
    """

    images: ImageSources
    places: array[int] = field(default_factory=lambda: array("q"), repr=False)

    def source(self, row: int, name: str) -> ImageSource:
        """Return the source of the image at the sample's place."""
        return self.images.source(self.places[row], name)


@dataclass(frozen=True)
class SampleStore:
    """Samples in columns, filled while a dataset is read: about twenty bytes each besides their names.

    Attributes:
        images: where their images are.
        columns: names of their metadata.
        names, labels, groups, metadata: a row each; no group is the empty string.

    Examples:
        >>> store = SampleStore(FolderImages("photos"))
        >>> store.add("Cat/1.jpg", 0)
        >>> store.add("Dog/1.jpg", 1)
        >>> store.samples()[1].image.path.as_posix()
        'photos/Dog/1.jpg'
    """

    images: ImageSources
    columns: tuple[str, ...] = ()
    names: PackedStrings = field(default_factory=PackedStrings, repr=False)
    labels: array[int] = field(default_factory=lambda: array("i"), repr=False)
    groups: PackedStrings = field(default_factory=PackedStrings, repr=False)
    metadata: PackedStrings = field(default_factory=PackedStrings, repr=False)

    def add(self, name: str, label: int, group: str = "", metadata: Sequence[str] = ()) -> None:
        """Add a sample; `metadata` is its value in each of the columns."""
        if group and not len(self.groups):
            for _ in self.labels:
                self.groups.append("")
        self.names.append(name)
        self.labels.append(label)
        if group or len(self.groups):
            self.groups.append(group)
        for value in metadata:
            self.metadata.append(value)

    def renumber(self, labels: Mapping[int, int]) -> None:
        """Put another label in the place of each."""
        for row, label in enumerate(self.labels):
            self.labels[row] = labels[label]

    def sample(self, row: int) -> Sample:
        """Return the sample that was added as number `row`."""
        name = self.names[row]
        start = row * len(self.columns)
        return Sample(
            self.images.source(row, name),
            name,
            self.labels[row],
            (self.groups[row] or None) if len(self.groups) else None,
            tuple((column, self.metadata[start + index]) for index, column in enumerate(self.columns)),
        )

    def samples(self, start: int = 0, stop: int | None = None) -> PackedSamples:
        """Return the samples from one number to before another, all of them by default."""
        return PackedSamples(self, np.arange(start, len(self.labels) if stop is None else stop, dtype=np.int32))


class PackedSamples(Sequence[Sample]):
    """Some samples of a store, in an order; each is made when it is asked for.

    Args:
        store: that holds them.
        rows: (samples,) their numbers in it.
    """

    def __init__(self, store: SampleStore, rows: Int[np.ndarray, " samples"]) -> None:
        self.store = store
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> PackedSamples: ...
    def __getitem__(self, index: int | slice) -> Sample | PackedSamples:
        if isinstance(index, slice):
            return PackedSamples(self.store, self.rows[index])
        return self.store.sample(int(self.rows[index]))

    def __iter__(self) -> Iterator[Sample]:
        return map(self.store.sample, self.numbers())

    def numbers(self) -> Iterator[int]:
        """Yield the samples' numbers in the store."""
        for start in range(0, len(self.rows), _AT_ONCE):
            yield from self.rows[start : start + _AT_ONCE].tolist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedSamples | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PackedSamples({len(self):,} samples, {self.store.images})"


def names_of(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield the names of samples, without making those that are packed."""
    if isinstance(samples, PackedSamples):
        return map(samples.store.names.__getitem__, samples.numbers())
    return (sample.name for sample in samples)


def labels_of(samples: Sequence[Sample]) -> Int[np.ndarray, " samples"]:
    """Return the labels of samples, (samples,), integers."""
    if isinstance(samples, PackedSamples):
        labels: np.ndarray = np.frombuffer(samples.store.labels, np.intc)[samples.rows]
        return labels
    return np.fromiter((sample.label for sample in samples), np.int64, len(samples))


def groups_of(samples: Sequence[Sample]) -> Iterator[str | None]:
    """Yield the groups of samples, without making those that are packed."""
    if isinstance(samples, PackedSamples):
        groups = samples.store.groups
        return ((groups[row] or None) if len(groups) else None for row in samples.numbers())
    return (sample.group for sample in samples)


def name_order(samples: Sequence[Sample]) -> Int[np.ndarray, " samples"]:
    """Return the places of samples in order of their names."""
    if all(name <= following for name, following in pairwise(names_of(samples))):
        return np.arange(len(samples))
    names = list(names_of(samples))
    return np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)


def select_samples(samples: Sequence[Sample], places: Sequence[int] | Int[np.ndarray, " chosen"]) -> Sequence[Sample]:
    """Return the samples at some places, in their order; packed ones stay so."""
    if isinstance(samples, PackedSamples):
        return PackedSamples(samples.store, samples.rows[np.asarray(places, np.int64)])
    return tuple(samples[int(place)] for place in places)


def join_samples(parts: Iterable[Sequence[Sample]]) -> Sequence[Sample]:
    """Return the samples of all parts, one part after the other; packed ones of one store stay so."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1:
        return filled[0]
    packed = [part for part in filled if isinstance(part, PackedSamples)]
    if packed and len(packed) == len(filled) and len({id(part.store) for part in packed}) == 1:
        return PackedSamples(packed[0].store, np.concatenate([part.rows for part in packed]))
    return tuple(sample for part in filled for sample in part)
