"""Images that strangers send: looked at before they are decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from tlcore.errors import ImageError
from tlcore.images import decode_image
from tlcore.server.refusal import Refusal

_ALWAYS_FINE = 4_000_000
"""Pixels: up to here an image may be as dense as it likes; decoded it takes 16 MB at most."""

_DENSEST = 40
"""Pixels per encoded byte above which a larger image is no photo but a bomb; real photos have 2 to 20."""


@dataclass(frozen=True)
class UploadLimits:
    """What an image may be.

    Attributes:
        pixels: at most, as its header states them.
        formats: Pillow's names of the formats taken.
    """

    pixels: int
    formats: tuple[str, ...]


def open_upload(data: bytes, limits: UploadLimits) -> Image.Image:
    """Return an uploaded image decoded as everywhere in tlcore, once its header is found to be within limits.

    Raises:
        Refusal: 400 for no image or a damaged one, 413 for too many pixels, 415 for a format that is not taken.
    """
    if not data:
        raise Refusal(400, "the image is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            kind = image.format or "unknown"
    except UnidentifiedImageError:
        raise Refusal(400, "this is not an image that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refusal(413, f"the image has more than the {limits.pixels:,} pixels allowed") from None
    except Exception as error:  # the request boundary: Pillow's readers raise no common type on damaged headers
        raise Refusal(400, f"the image is damaged: {' '.join(str(error).split())[:200]}") from error
    if kind not in limits.formats:
        raise Refusal(415, f"{kind} images are not taken; send {', '.join(limits.formats)}")
    if width * height > limits.pixels:
        raise Refusal(413, f"the image has {width} x {height} pixels, more than the {limits.pixels:,} allowed")
    if width * height > max(_ALWAYS_FINE, _DENSEST * len(data)):
        raise Refusal(413, f"{len(data):,} bytes that expand to {width} x {height} pixels are not taken for a photo")
    try:
        return decode_image(data, "the image")
    except ImageError as error:
        raise Refusal(400, str(error)) from error
