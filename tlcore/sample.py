"""One labelled image."""

from __future__ import annotations

from dataclasses import dataclass

from tlcore.images import ImageSource


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
