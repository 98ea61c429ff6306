"""Small pictures of a dataset's images: for pages, and as a contact sheet."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tlcore.dataset import Dataset, Sample
from tlcore.display.fonts import drawable, font_for
from tlcore.errors import ImageError
from tlcore.images import decode_image, read_image
from tlcore.packed_samples import labels_of, name_order, select_samples

SIDE = 144
"""Longer side of a thumbnail, in pixels."""

_MARGIN = 8
_LINE = 22
_FONT_SIZE = 15
_PAPER, _INK, _SOFT = (255, 255, 255), (28, 31, 35), (217, 222, 228)


def thumbnail(sample: Sample, side: int = SIDE) -> Image.Image | None:
    """Return a sample's picture within `side` x `side` pixels, RGB; None where it cannot be read."""
    try:
        image = decode_image(read_image(sample.image, sample.name), sample.name)
    except ImageError:
        return None
    scale = min(side / image.width, side / image.height, 4.0)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
                        if scale < 0.5 else Image.Resampling.BICUBIC)  # fmt: skip


def data_uri(sample: Sample) -> str:
    """Return a sample's thumbnail as a ``data:image/jpeg`` address; empty where it cannot be read."""
    picture = thumbnail(sample)
    if picture is None:
        return ""
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def contact_sheet(dataset: Dataset, *, per_class: int = 8, max_classes: int = 100) -> Image.Image:
    """Return a sheet with a row of pictures for each class, under its name and number of images, RGB.

    A name that no installed font can write is replaced as `sheet_legend` says. The pictures are spread evenly over the
    class's images in order of name; unreadable ones stay empty frames.

    Args:
        dataset: what to show.
        per_class: pictures in a row, at least 1.
        max_classes: rows; with more classes, the first ones by order are shown and the last line says how many are not.
    """
    every = dataset.samples
    label_of = labels_of(every)
    present = np.unique(label_of).tolist()
    labels = present[:max_classes]
    hidden = len(present) - len(labels)
    cell = SIDE + _MARGIN
    row = _LINE + SIDE + 2 * _MARGIN
    width = per_class * cell + _MARGIN
    sheet = Image.new("RGB", (width, len(labels) * row + (_LINE + _MARGIN if hidden else 0)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, label in enumerate(labels):
        samples = select_samples(every, np.flatnonzero(label_of == label))
        samples = select_samples(samples, name_order(samples))
        shown = printable(dataset.class_names[label])
        name = f"class {label}" if font_for(shown, _FONT_SIZE) is None else shown
        counted = f"{len(samples):,} image{'' if len(samples) == 1 else 's'}"
        _write(draw, (_MARGIN, index * row + _MARGIN // 2), (name, counted))
        for column, sample in enumerate(_spread(samples, per_class)):
            _paste(sheet, draw, sample, (_MARGIN + column * cell, index * row + _LINE + _MARGIN))
    if hidden:
        _write(draw, (_MARGIN, len(labels) * row), (f"and {hidden:,} classes more",))
    return sheet


def sheet_legend(dataset: Dataset) -> dict[str, str]:
    """Return what a contact sheet writes for a class to the class's name, where no installed font has its characters."""
    return {
        f"class {label}": name
        for label, name in enumerate(dataset.class_names)
        if font_for(printable(name), _FONT_SIZE) is None
    }


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], parts: Sequence[str]) -> None:
    """Write one part after the other from the left, each in its own font, whichever way its script runs."""
    left, top = float(corner[0]), corner[1]
    for part in parts:
        text, font = drawable(part, _FONT_SIZE)
        draw.text((left, top), text, _INK, font)
        left += font.getlength(text) + _FONT_SIZE


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    count = min(count, len(samples))
    return [samples[position * len(samples) // count] for position in range(count)]


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, sample: Sample, corner: tuple[int, int]) -> None:
    picture = thumbnail(sample)
    left, top = corner
    if picture is None:
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=_SOFT)
        draw.text((left + 8, top + SIDE // 2 - 8), "cannot be read", _INK, ImageFont.load_default(13))
        return
    sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))


def printable(text: str) -> str:
    """Keep a name from breaking the drawing: control and lone surrogate characters become ``?``."""
    return "".join(character if character.isprintable() else "?" for character in text)
