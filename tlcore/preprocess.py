"""The one record of how an upright RGB image becomes a network's input."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from PIL import Image

from tlcore.errors import TlcoreError

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    # Only tests evaluate these; importing it would take a fifth of the time to predict one photo.
    from jaxtyping import Float32, UInt8

ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

_MAX_RESIZED_PIXELS = 16_000_000
"""A resize to more pixels than this (a strip 1 pixel high and thousands wide) computes only the crop: the whole would
take gigabytes, and differs by rounding alone."""

_REACH = {"bilinear": 1, "hamming": 1, "bicubic": 2, "lanczos": 3}
"""How many pixels to each side a filter takes in, where its weight changes without a jump."""

_WORTH_COPYING = 0.8
"""Share of an image's rows up to which leaving the others out wins more than copying these takes."""

_CODE = 2
"""Raised whenever the same record would make other pixels of an image; features of the pixels before are then not used."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image becomes a network's input. It travels in every bundle and every exported file.

    Equal to timm's evaluation transform (`timm.data.create_transform`) for the same settings up to one level of 255, with
    Pillow and numpy alone.

    Attributes:
        image_size: (height, width) of the input in pixels.
        resize: ``"shortest"`` scales the shorter side to ``image_size / crop_fraction`` and crops the centre;
            ``"longest"`` fits the whole image and pads with the mean colour; ``"squash"`` ignores the aspect ratio.
        crop_fraction: share of the resized image that the centre crop keeps, in (0, 1] or more.
        interpolation: Pillow's filter, with its antialiasing.
        mean, std: per RGB channel, in units of [0, 1].
        exif_transpose: whether images are turned upright first; always True, stated for readers of the record.

    Examples:
        >>> preprocess = Preprocess(image_size=(224, 224))
        >>> preprocess.pixels(Image.new("RGB", (500, 375))).shape
        (224, 224, 3)
    """

    image_size: tuple[int, int]
    resize: ResizeMode = "shortest"
    crop_fraction: float = 0.875
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    exif_transpose: bool = True

    def __post_init__(self) -> None:
        height, width = self.image_size
        if not (1 <= height <= 4096 and 1 <= width <= 4096):
            raise TlcoreError(f"image_size must lie between 1 and 4096 pixels, got {height} x {width}")
        if self.resize not in get_args(ResizeMode):
            raise TlcoreError(f"resize must be one of {', '.join(get_args(ResizeMode))}, got {self.resize!r}")
        if self.interpolation not in get_args(Interpolation):
            raise TlcoreError(
                f"interpolation must be one of {', '.join(get_args(Interpolation))}, got {self.interpolation!r}"
            )
        if not 0.05 <= self.crop_fraction <= 4.0:
            raise TlcoreError(f"crop_fraction must lie between 0.05 and 4, got {self.crop_fraction}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise TlcoreError(f"mean and std must be three numbers each, std above 0, got {self.mean} and {self.std}")
        if not self.exif_transpose:
            raise TlcoreError("exif_transpose must be true: tlcore always turns images upright")

    def pixels(self, image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
        """Return the resized and cropped 8-bit pixels of an RGB image, shape (height, width, 3), uint8."""
        if image.mode != "RGB":
            raise TlcoreError(f"pixels() takes an RGB image, got mode {image.mode}; decode_image() makes one")
        resized = self._resized_size(image.size)
        return np.asarray(self._resize_and_crop(image, resized))

    def normalise(self, pixels: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images 3 height width"]:
        """Return ``(pixels / 255 - mean) / std`` as contiguous float32, (images, 3, height, width)."""
        scaled = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        mean = np.asarray(self.mean, np.float32).reshape(1, 3, 1, 1)
        std = np.asarray(self.std, np.float32).reshape(1, 3, 1, 1)
        return np.ascontiguousarray((scaled - mean) / std)

    def region(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return which part of an upright image the network sees: left, top, right, bottom as shares of width and height.

        Shares below 0 or above 1 are padding.

        Args:
            size: (width, height) of the image.

        Examples:
            >>> Preprocess(image_size=(224, 224), crop_fraction=1.0).region((400, 200))
            (0.25, 0.0, 0.75, 1.0)
        """
        resized = self._resized_size(size)
        height, width = self.image_size
        left, top = round((resized[0] - width) / 2.0), round((resized[1] - height) / 2.0)
        return left / resized[0], top / resized[1], (left + width) / resized[0], (top + height) / resized[1]

    def _resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        width, height = size
        target_height = math.floor(self.image_size[0] / self.crop_fraction)
        target_width = math.floor(self.image_size[1] / self.crop_fraction)
        if self.resize == "squash":
            return target_width, target_height
        if self.resize == "shortest" and target_height == target_width:
            if width <= height:
                return target_width, max(1, int(target_width * height / width))
            return max(1, int(target_height * width / height)), target_height
        ratios = (height / target_height, width / target_width)
        ratio = max(ratios) if self.resize == "longest" else min(ratios)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def _resize_and_crop(self, image: Image.Image, resized: tuple[int, int]) -> Image.Image:
        height, width = self.image_size
        left, top = (max(0, round((have - want) / 2.0)) for have, want in zip(resized, (width, height), strict=True))
        covers = resized[0] >= width and resized[1] >= height
        filter_ = Image.Resampling[self.interpolation.upper()]
        if covers and resized[0] * resized[1] > _MAX_RESIZED_PIXELS:
            scale_x, scale_y = image.width / resized[0], image.height / resized[1]
            box = (left * scale_x, top * scale_y, (left + width) * scale_x, (top + height) * scale_y)
            return image.resize((width, height), filter_, box=box)
        if covers and resized != (width, height) and self._may_leave_out(image.size, resized):
            return self._resize_part(image, resized, left, top)
        whole = image if image.size == resized else image.resize(resized, filter_)
        kept = whole.crop((left, top, left + min(width, resized[0]), top + min(height, resized[1])))
        if covers:
            return kept
        # timm pads with the mean colour in "longest" and, like torchvision, with black elsewhere.
        fill = tuple(round(255 * value) for value in self.mean) if self.resize == "longest" else (0, 0, 0)
        canvas = Image.new("RGB", (width, height), fill)
        canvas.paste(kept, ((width - kept.width) // 2, (height - kept.height) // 2))
        return canvas

    def _may_leave_out(self, size: tuple[int, int], resized: tuple[int, int]) -> bool:
        """Tell whether `_resize_part` makes the same picture as resizing the whole.

        It goes across first and then down. So does Pillow, except, from its version 13 on, where the height shrinks by more
        than twice as many pixels as the width; since each way rounds and clips to 8 bits, their order shows.
        """
        narrower, lower = size[0] - resized[0], size[1] - resized[1]
        return self.interpolation in _REACH and (lower <= 0 or lower <= 2 * narrower)

    def _resize_part(self, image: Image.Image, resized: tuple[int, int], left: int, top: int) -> Image.Image:
        """Return the crop of the resized image, in three quarters of the time that resizing the whole takes.

        Rows that the crop does not see are not computed, nor columns once all rows are as wide as they will be. What is
        computed across is exact; down, Pillow keeps the box in 24 bits, so that about one value in a thousand is rounded the
        other way: one level of 255, never more.
        """
        height, width = self.image_size
        filter_ = Image.Resampling[self.interpolation.upper()]
        scale = image.height / resized[1]
        reach = _REACH[self.interpolation] * max(1.0, scale) + 1
        first = max(0, math.floor(top * scale - reach))
        last = min(image.height, math.ceil((top + height) * scale + reach))
        few = last - first <= _WORTH_COPYING * image.height
        rows, first = (image.crop((0, first, image.width, last)), first) if few else (image, 0)
        columns = rows.resize((resized[0], rows.height), filter_).crop((left, 0, left + width, rows.height))
        return columns.resize((width, height), filter_, box=(0, top * scale - first, width, (top + height) * scale - first))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values; `from_dict` reads it back."""
        record = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Preprocess:
        """Read a record that `to_dict` wrote; raises `TlcoreError` on missing, unknown or malformed fields."""
        known = {field.name for field in fields(cls)}
        if set(record) != known:
            raise TlcoreError(f"a preprocess record has the fields {sorted(known)}, got {sorted(record)}")
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise TlcoreError(f"malformed preprocess record: {error}") from error

    @property
    def digest(self) -> str:
        """SHA-256 over the record in canonical JSON and the version of this code, as 64 hexadecimal digits."""
        return hashlib.sha256(f"{_CODE} {json.dumps(self.to_dict(), sort_keys=True)}".encode()).hexdigest()
