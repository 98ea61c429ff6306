"""A map as pictures: as points, and as the photos themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from tlcore.display.fonts import Font, drawable
from tlcore.display.thumbnails import printable, thumbnail
from tlcore.visualizer import Picture
from tlcore_visualizers.embedding_map.colours import class_colours
from tlcore_visualizers.embedding_map.embedding import EmbeddingMap

_SIDE, _LEGEND, _MARGIN = 900, 260, 30
_FINER = 2
_LINE, _FONT_SIZE = 26, 16
_PAPER, _INK, _WRONG = (255, 255, 255), (28, 31, 35), (200, 0, 30)
_PHOTO = 44


def map_picture(found: EmbeddingMap) -> Picture:
    """Return the map as coloured points with a legend; mistakes are ringed."""
    fine = Image.new("RGB", ((_SIDE + _LEGEND) * _FINER, _SIDE * _FINER), _PAPER)
    draw = ImageDraw.Draw(fine)
    colours = class_colours(len(found.class_names))
    radius = _FINER * (6.0 if len(found.samples) <= 1000 else 4.0 if len(found.samples) <= 5000 else 2.5)
    mistakes = found.mistakes
    middles = (_MARGIN + found.places.astype(np.float64) * (_SIDE - 2 * _MARGIN)) * _FINER
    for index in np.argsort(mistakes, kind="stable"):
        x, y = (float(value) for value in middles[index])
        colour = colours[found.samples[index].label]
        if mistakes[index]:
            _disc(draw, x, y, radius + 5 * _FINER, _WRONG)
            _disc(draw, x, y, radius + 2 * _FINER, _PAPER)
        _disc(draw, x, y, radius, colour)
    image = fine.resize((_SIDE + _LEGEND, _SIDE), Image.Resampling.BOX)
    _legend(image, found, colours)
    return Picture("map", np.asarray(image), caption(found))


def photo_picture(found: EmbeddingMap) -> Picture:
    """Return the map as photos where they lie, framed in their class's colour; where they would overlap, fewer."""
    image = Image.new("RGB", (_SIDE + _LEGEND, _SIDE), _PAPER)
    draw = ImageDraw.Draw(image)
    colours = class_colours(len(found.class_names))
    mistakes = found.mistakes
    corners = np.rint(_MARGIN + found.places * (_SIDE - 2 * _MARGIN) - _PHOTO / 2).astype(int)
    taken: list[tuple[int, int]] = []
    for index in np.argsort(~mistakes, kind="stable"):
        left, top = (int(value) for value in corners[index])
        if any(abs(left - x) < _PHOTO + 4 and abs(top - y) < _PHOTO + 4 for x, y in taken):
            continue
        small = thumbnail(found.samples[index], _PHOTO)
        if small is None:
            continue
        taken.append((left, top))
        x, y = left + (_PHOTO - small.width) // 2, top + (_PHOTO - small.height) // 2
        frame = _WRONG if mistakes[index] else colours[found.samples[index].label]
        draw.rectangle((x - 2, y - 2, x + small.width + 1, y + small.height + 1), fill=frame)
        image.paste(small, (x, y))
    _legend(image, found, colours)
    return Picture("map-photos", np.asarray(image), f"{len(taken):,} of {len(found.samples):,} photos where they lie")


def caption(found: EmbeddingMap) -> str:
    """Return what a map shows, in one line."""
    images, classes = len(found.samples), len(found.class_names)
    told = f"{images:,} images, {classes:,} classes, as {found.network} sees them, by {found.method}"
    return told if found.answers is None else f"{told}, {int(found.mistakes.sum()):,} taken for another class"


def _legend(image: Image.Image, found: EmbeddingMap, colours: tuple[str, ...]) -> None:
    draw = ImageDraw.Draw(image)
    _, font = drawable("", _FONT_SIZE)
    counts: Mapping[int, int] = dict(zip(*np.unique(found.labels, return_counts=True), strict=True))
    shown = [label for label in range(len(found.class_names)) if counts.get(label)]
    fits = (_SIDE - 2 * _MARGIN) // _LINE - 2
    top = _MARGIN
    for label in shown[:fits]:
        draw.ellipse((_SIDE + 6, top + 4, _SIDE + 18, top + 16), fill=colours[label])
        told, own = drawable(printable(f"{found.class_names[label]}  {counts[label]:,}"), _FONT_SIZE)
        draw.text((_SIDE + 26, top), _clipped(told, own), _INK, own)
        top += _LINE
    if len(shown) > fits:
        draw.text((_SIDE + 26, top), f"and {len(shown) - fits:,} more", _INK, font)
        top += _LINE
    if found.mistakes.any():
        draw.ellipse((_SIDE + 4, top + 2, _SIDE + 20, top + 18), outline=_WRONG, width=3)
        draw.text((_SIDE + 26, top), f"mistaken  {int(found.mistakes.sum()):,}", _INK, font)


def _clipped(text: str, font: Font) -> str:
    while font.getlength(text) > _LEGEND - 34 and len(text) > 4:
        text = f"{text[: len(text) // 2 - 1]}…{text[len(text) // 2 + 1 :]}"
    return text


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: str | tuple[int, int, int]) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
