"""Thumbnails of many photos on a few large sheets, within a budget of bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from tlcore.dataset import Sample
from tlcore.display.thumbnails import thumbnail
from tlcore.machine.cores import available_cores
from tlcore.progress import Progress, ProgressEvent, silent

LARGEST, SMALLEST = 144, 12
_SHEET = 2048
_QUALITY = 60
_BYTES_A_PIXEL = 0.2
_AT_A_TIME = 256


@dataclass(frozen=True)
class ThumbnailSheets:
    """Photos side by side on sheets, row by row, sheet by sheet.

    Attributes:
        side: of each photo's square cell, in pixels; a photo lies in its upper left corner.
        columns: cells in a row, and rows on a sheet.
        sizes: (width, height) of each photo; (0, 0) where it cannot be read.
        sheets: WebP files.
    """

    side: int
    columns: int
    sizes: tuple[tuple[int, int], ...]
    sheets: tuple[bytes, ...]


def thumbnail_sheets(samples: Sequence[Sample], *, budget: int, progress: Progress = silent) -> ThumbnailSheets:
    """Return thumbnails as large as the budget allows, at most `LARGEST` pixels.

    Args:
        samples: whose photos, at least one.
        budget: of all sheets together, in bytes; kept unless photos of `SMALLEST` pixels exceed it.
        progress: told as photos are read.
    """
    side = int(min(LARGEST, max(SMALLEST, math.sqrt(budget / (len(samples) * _BYTES_A_PIXEL)))))
    photos: list[Image.Image | None] = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(samples), _AT_A_TIME):
            photos += pool.map(lambda sample: thumbnail(sample, side), samples[start : start + _AT_A_TIME])
            progress(ProgressEvent("thumbnails", len(photos), len(samples)))
    while True:
        made = _sheets(photos, side)
        size = sum(map(len, made.sheets))
        if size <= budget or side == SMALLEST:
            return made
        smaller = max(SMALLEST, min(side - 1, int(side * 0.95 * math.sqrt(budget / size))))
        photos = [None if photo is None else _reduced(photo, smaller / side) for photo in photos]
        side = smaller


def _sheets(photos: Sequence[Image.Image | None], side: int) -> ThumbnailSheets:
    columns = max(1, min(_SHEET // side, math.ceil(math.sqrt(len(photos)))))
    sheets = []
    for start in range(0, len(photos), columns * columns):
        part = photos[start : start + columns * columns]
        sheet = Image.new("RGB", (columns * side, math.ceil(len(part) / columns) * side), (128, 128, 128))
        for index, photo in enumerate(part):
            if photo is not None:
                sheet.paste(photo, (index % columns * side, index // columns * side))
        encoded = io.BytesIO()
        sheet.save(encoded, "WEBP", quality=_QUALITY, method=4)
        sheets.append(encoded.getvalue())
    sizes = tuple((0, 0) if photo is None else photo.size for photo in photos)
    return ThumbnailSheets(side, columns, sizes, tuple(sheets))


def _reduced(photo: Image.Image, scale: float) -> Image.Image:
    size = (max(1, int(photo.width * scale)), max(1, int(photo.height * scale)))
    return photo.resize(size, Image.Resampling.BICUBIC)
