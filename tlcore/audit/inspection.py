"""What an audit keeps of one image: whether it can be read, its size, and a fingerprint of what it shows."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from tlcore.errors import ImageError, TlcoreError
from tlcore.images import decode_image

VERSION = 2
"""Raised whenever the same bytes would be inspected to another result, so that cached ones are not used."""

HASH_BYTES = 32
COLOUR_BYTES = 48

_GREY_SIDE = 64
"""Side of the grey picture the perceptual hash is taken of, in pixels."""

_NAME = "image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What one image's encoded bytes are.

    Attributes:
        problem: why it cannot be decoded, without the image's name; empty where it can.
        format: Pillow's name of the encoding, for instance ``"JPEG"``; empty where it is not an image at all.
        width, height: upright, in pixels; 0 where it cannot be decoded.
        spread: standard deviation of its grey levels, in [0, 127.5]; near 0 for a blank image.
        hash: 256-bit perceptual hash, 32 bytes: the signs, about their median, of the 16 x 16 lowest frequencies.
        colours: mean colours of a 4 x 4 grid, 48 bytes: rows, columns, RGB.
    """

    problem: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    spread: float = 0.0
    hash: bytes = bytes(HASH_BYTES)
    colours: bytes = bytes(COLOUR_BYTES)


def inspect_image(data: bytes) -> Inspection:
    """Inspect an image's encoded bytes, all of them, as training will; never raises for what the bytes hold.

    A large JPEG is decoded at a coarser scale, which costs about half and fails on the same files.

    Source of the hash: Zauner 2010 (Implementation and benchmarking of perceptual image hash functions), in the imagehash
    package, with 16 x 16 in place of 8 x 8 frequencies.
    """
    try:
        image = decode_image(data, _NAME, coarse_side=_GREY_SIDE)
    except ImageError as error:
        return Inspection(problem=str(error).removeprefix(f"{_NAME}: "), format=_header(data)[0])
    encoding, (width, height) = _header(data)
    if (image.width > image.height) != (width > height):  # turned upright
        width, height = height, width
    small = image.reduce(max(1, min(image.size) // _GREY_SIDE))
    grey = small.convert("L").resize((_GREY_SIDE, _GREY_SIDE), Image.Resampling.BILINEAR)
    return Inspection(
        format=encoding,
        width=width,
        height=height,
        spread=float(np.asarray(grey).std()),
        hash=np.packbits(_hash_bits(grey)).tobytes(),
        colours=small.resize((4, 4), Image.Resampling.BOX).tobytes(),
    )


def _hash_bits(grey: Image.Image) -> UInt8[np.ndarray, "16 16"]:
    try:
        import imagehash
    except ModuleNotFoundError as error:
        raise TlcoreError(f"auditing images needs the package {error.name!r}: pip install 'tlcore[train]'") from error
    return np.asarray(imagehash.phash(grey, hash_size=16).hash, np.uint8)


def _header(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return an image's format and its size in pixels, width and height; ``""`` and zeros where it has no header."""
    unknown = ("", (0, 0))
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.format or "", image.size
    except UnidentifiedImageError:
        return unknown
    # Pillow's header readers raise these, and no common type, on damaged files.
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError):
        return unknown
    except (Image.DecompressionBombError, MemoryError, AssertionError):
        return unknown
