"""What the checks of an audit look at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tlcore.audit.table import InspectionTable
from tlcore.dataset import Dataset
from tlcore.sample import Sample

MIN_SIDE = 32
"""Images with a shorter side, in pixels, are called small; they hold too little to be compared for likeness."""

SPLIT_RANK = {"train": 0, "all": 0, "validation": 1, "test": 2}
"""Of a picture that is in several splits, the copy in the highest-ranked one is kept."""

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class AuditSubject:
    """A dataset with each image inspected; images are named by their index into `samples`.

    Attributes:
        dataset: what is audited.
        samples: each image, split by split.
        ends: split name to the number of images in it and those before it.
        table: the inspections.
        equal: sets of images with the same bytes.
        near: sets of images with other bytes that look alike; of equal ones only the first takes part.
        sets: both kinds joined.
    """

    dataset: Dataset
    samples: Sequence[Sample]
    ends: Mapping[str, int]
    table: InspectionTable
    equal: list[list[int]]
    near: list[list[int]]
    sets: list[list[int]]

    def names(self, members: Iterable[int]) -> tuple[str, ...]:
        """Return the names of images."""
        return tuple(self.samples[index].name for index in members)

    def split(self, index: int) -> str:
        """Return the split of an image."""
        return list(self.ends)[bisect_right(list(self.ends.values()), index)]

    def conflict(self, members: Iterable[int]) -> str:
        """Return what is the matter where images of one picture have several labels; empty where they agree."""
        labels = list(dict.fromkeys(self.samples[index].label for index in members))
        if len(labels) == 1:
            return ""
        more = f" and {len(labels) - _NAMED:,} more" if len(labels) > _NAMED else ""
        return f"one picture labelled {', '.join(self.dataset.class_names[label] for label in labels[:_NAMED])}{more}"

    def split_names(self, members: Iterable[int]) -> list[str]:
        """Return the splits of images, each once, in order of first appearance."""
        return list(dict.fromkeys(self.split(index) for index in members))
