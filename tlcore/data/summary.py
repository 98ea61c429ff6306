"""What a dataset holds: images by class and split, their sizes and encodings, without decoding any."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlcore.dataset import Dataset, Sample
from tlcore.errors import ImageError
from tlcore.images import read_image
from tlcore.progress import Progress, ProgressEvent, silent


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """A dataset in numbers.

    Attributes:
        counts: split name to class name to number of images.
        formats: encoding to number of images; ``"unreadable"`` counts those whose header says none.
        total_bytes: of all encoded images.
        widths, heights: (smallest, median, largest) in pixels as stored; None where no header can be read.
    """

    counts: Mapping[str, Mapping[str, int]]
    formats: Mapping[str, int]
    total_bytes: int
    widths: tuple[int, int, int] | None
    heights: tuple[int, int, int] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-ready values."""
        return {
            "counts": {split: dict(classes) for split, classes in self.counts.items()},
            "formats": dict(self.formats),
            "total_bytes": self.total_bytes,
            "widths": list(self.widths) if self.widths else None,
            "heights": list(self.heights) if self.heights else None,
        }


def summarise_dataset(dataset: Dataset, *, progress: Progress = silent) -> DatasetSummary:
    """Count a dataset's images and read each one's header.

    Args:
        dataset: what to summarise.
        progress: told how far it is; an exception it raises cancels.
    """
    sizes = np.zeros((len(dataset.samples), 2), np.int32)
    formats: Counter[str] = Counter()
    total = 0
    for index, sample in enumerate(dataset.samples):
        name, size, length = _header(sample)
        formats[name] += 1
        sizes[index] = size
        total += length
        if index % 256 == 0:
            progress(ProgressEvent("headers", index, len(sizes)))
    progress(ProgressEvent("headers", len(sizes), len(sizes)))
    known = sizes[sizes[:, 0] > 0]
    return DatasetSummary(
        counts=dataset.counts,
        formats=dict(formats.most_common()),
        total_bytes=total,
        widths=_spread(known[:, 0]),
        heights=_spread(known[:, 1]),
    )


def _header(sample: Sample) -> tuple[str, tuple[int, int], int]:
    """Return the encoding, (width, height) and number of bytes of an image."""
    try:
        data = read_image(sample.image, sample.name)
    except ImageError:
        return "unreadable", (0, 0), 0
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.format or "unreadable", image.size, len(data)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, LookupError, TypeError):
        return "unreadable", (0, 0), len(data)


def _spread(values: np.ndarray) -> tuple[int, int, int] | None:
    return (int(values.min()), int(np.median(values)), int(values.max())) if len(values) else None
