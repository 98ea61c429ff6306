"""A photo at the network's scale: what is saved, so that reading it again feeds the network the very same pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from tlcore.errors import VisualizationError
from tlcore.images import decode_image, encode_png
from tlcore.preprocess import Preprocess

_LARGEST = 4_000_000
"""Pixels: of a photo that is larger at the network's scale (a strip) only the middle is kept."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A photo resized as the network's preprocessing does, before the crop; resizing it once more changes nothing.

    Attributes:
        name: what the photo is called.
        original_size: (width, height) of the photo.
        pixels: the resized photo, its aspect kept, (rows, columns, 3), uint8.
        inputs: what the network is fed for it, (height, width, 3), uint8.
        mask: True where an input pixel is the photo's, not padding, (height, width).
        preprocess: of the network.
    """

    name: str
    original_size: tuple[int, int]
    pixels: UInt8[np.ndarray, "rows columns 3"] = field(repr=False)
    inputs: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    mask: Bool[np.ndarray, "height width"] = field(repr=False)
    preprocess: Preprocess

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what is saved."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def with_inputs(self, inputs: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
        """Return the picture for which the network is fed `inputs`.

        Raises:
            VisualizationError: saved and read again it would be fed something else: padding differs.
        """
        (top, left), (row, column), (height, width) = _overlap(self.pixels.shape[:2], inputs.shape[:2])
        picture = self.pixels.copy()
        picture[top : top + height, left : left + width] = inputs[row : row + height, column : column + width]
        if not np.array_equal(reread(picture, self.preprocess), inputs):
            raise VisualizationError(f"{self.name}: the picture changes when it is saved and read again; this is a bug")
        return picture


def make_frame(image: Image.Image, name: str, preprocess: Preprocess) -> Frame:
    """Return an upright RGB image as the network's preprocessing resizes it, and what the network sees of it."""
    left, top, right, bottom = preprocess.region(image.size)
    height, width = preprocess.image_size
    columns, rows = round(width / (right - left)), round(height / (bottom - top))
    resampling = Image.Resampling[preprocess.interpolation.upper()]
    if columns * rows > _LARGEST:
        kept = [math.floor(side / preprocess.crop_fraction) for side in (width, height)]
        scale = image.width / columns, image.height / rows
        x, y = max(0, columns - kept[0]) / 2, max(0, rows - kept[1]) / 2
        box = (x * scale[0], y * scale[1], (x + min(columns, kept[0])) * scale[0], (y + min(rows, kept[1])) * scale[1])
        resized = image.resize((min(columns, kept[0]), min(rows, kept[1])), resampling, box=box)
    else:
        resized = image if image.size == (columns, rows) else image.resize((columns, rows), resampling)
    (top, left), (row, column), (seen_height, seen_width) = _overlap((resized.height, resized.width), (height, width))
    seen = slice(row, row + seen_height), slice(column, column + seen_width)
    mask = np.zeros((height, width), bool)
    mask[seen] = True
    # The preprocessing resizes only what it needs, and rounds one value in a thousand the other way.
    pixels = np.array(resized)
    pixels[top : top + seen_height, left : left + seen_width] = preprocess.pixels(image)[seen]
    return Frame(
        name=name,
        original_size=image.size,
        pixels=pixels,
        inputs=preprocess.pixels(Image.fromarray(pixels)),
        mask=mask,
        preprocess=preprocess,
    )


def reread(picture: UInt8[np.ndarray, "rows columns 3"], preprocess: Preprocess) -> UInt8[np.ndarray, "height width 3"]:
    """Return what a network is fed for a picture that was saved as an 8-bit PNG and read again."""
    return preprocess.pixels(decode_image(encode_png(Image.fromarray(picture))))


def _overlap(picture: tuple[int, ...], seen: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return where the crop begins in the picture, where the picture begins in the crop, and the size they share."""
    begins = [max(0, round((have - want) / 2.0)) for have, want in zip(picture, seen, strict=True)]
    shared = [min(have, want) for have, want in zip(picture, seen, strict=True)]
    pasted = [(want - kept) // 2 for want, kept in zip(seen, shared, strict=True)]
    return (begins[0], begins[1]), (pasted[0], pasted[1]), (shared[0], shared[1])
