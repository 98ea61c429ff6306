"""Pictures with their captions on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tlcore.display.fonts import Font, drawable
from tlcore.display.thumbnails import printable
from tlcore.visualizer import Picture

TILE = 224
"""Side of the square that each picture is fitted into, in pixels."""

_MARGIN = 12
_LINE = 17
_FONT_SIZE = 14
_PAPER, _INK = (255, 255, 255), (28, 31, 35)
_CAPTION_LINES = 6


def picture_sheet(pictures: Sequence[Picture], columns: int | None = None, *, tile: int = TILE) -> Image.Image:
    """Return the pictures side by side, each above its caption, RGB.

    Args:
        pictures: at least one; each is scaled to fit a tile, small ones by whole numbers so that pixels stay sharp.
        columns: how many stand in a row; by default as many as make the sheet about four to three.
        tile: side of the square that each picture is fitted into, in pixels.
    """
    across = columns or max(1, min(6 * TILE // tile, math.ceil(math.sqrt(len(pictures) * 1.3))))
    across = min(across, len(pictures))
    texts = [drawable(printable(picture.caption or picture.name), _FONT_SIZE) for picture in pictures]
    captions = [_wrapped(text, font, tile) for text, font in texts]
    rows = [range(start, min(start + across, len(pictures))) for start in range(0, len(pictures), across)]
    heights = [tile + _MARGIN // 2 + _LINE * max(len(captions[index]) for index in row) + _MARGIN for row in rows]
    sheet = Image.new("RGB", (across * (tile + _MARGIN) + _MARGIN, sum(heights) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, index in enumerate(row):
            left = _MARGIN + column * (tile + _MARGIN)
            fitted = _fitted(pictures[index].pixels, tile)
            sheet.paste(fitted, (left + (tile - fitted.width) // 2, top + (tile - fitted.height) // 2))
            for line, text in enumerate(captions[index]):
                draw.text((left, top + tile + _MARGIN // 2 + line * _LINE), text, _INK, texts[index][1])
        top += height
    return sheet


def _fitted(pixels: np.ndarray, tile: int) -> Image.Image:
    image = Image.fromarray(pixels)
    scale = min(tile / image.width, tile / image.height)
    if scale >= 2:
        size = (image.width * int(scale), image.height * int(scale))
        return image.resize(size, Image.Resampling.NEAREST)
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _wrapped(caption: str, font: Font, width: int) -> list[str]:
    """Break a caption into lines as wide as a tile; what does not fit in `_CAPTION_LINES` ends in an ellipsis."""
    lines = [""]
    for word in caption.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_shortened(word, font, width))
    lines = [line for line in lines if line] or [""]
    return lines if len(lines) <= _CAPTION_LINES else [*lines[: _CAPTION_LINES - 1], f"{lines[_CAPTION_LINES - 1]} ..."]


def _shortened(word: str, font: Font, width: int) -> str:
    """Cut the middle out of a word, a file's name for instance, that is wider than a tile."""
    if font.getlength(word) <= width:
        return word
    kept = len(word)
    while kept > 2 and font.getlength(f"{word[: kept // 2]}...{word[-(kept // 2) :]}") > width:
        kept -= 1
    return f"{word[: kept // 2]}...{word[-(kept // 2) :]}"
