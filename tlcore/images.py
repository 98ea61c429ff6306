"""From the bytes of an image file to one upright 8-bit RGB picture.

Every way into tlcore (training, evaluating, predicting, serving) decodes with `decode_image`.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tlcore.errors import ImageError

MAX_PIXELS = 100_000_000
"""Images with more pixels than this are refused from their header, before decoding: 100 megapixels."""

MAX_FILE_BYTES = 1 << 30
"""Larger files are refused unread, in bytes: 1 GiB, more than the pixels of `MAX_PIXELS` need in any usual format."""

IMAGE_SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
"""Lower-case file name endings that are taken for images when a folder is searched."""


_HEIC_STARTS = frozenset(b"ftyp" + brand for brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"))
"""Bytes 4 to 12 of a HEIC file (ISO/IEC 23008-12)."""


@runtime_checkable
class ImageSource(Protocol):
    """Something an image's encoded bytes can be read from. Implementations are small, frozen and picklable."""

    def read(self) -> bytes:
        """Return the encoded bytes; raises OSError or `ImageError` when they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image in a file."""

    path: Path

    def read(self) -> bytes:
        """Return the file's bytes; raises OSError, also where it is no plain file or larger than `MAX_FILE_BYTES`."""
        return _file_bytes(self.path)


@dataclass(frozen=True, slots=True)
class FolderImage:
    """An image in a file of a folder; a third of the memory of a `FileImage`, since all share the folder.

    Attributes:
        folder: that all are in.
        name: path below it, with forward slashes.
    """

    folder: str
    name: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder, self.name)

    def read(self) -> bytes:
        """Return the file's bytes; raises as `FileImage.read`."""
        # Not by way of a `Path`, which would keep the parts of every name for the rest of the process.
        return _file_bytes(os.path.join(self.folder, self.name))


def _file_bytes(path: str | Path) -> bytes:
    # Not blocking, because opening a named pipe would otherwise wait for somebody to write into it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("a pipe, socket or device, not a plain file")
        if found.st_size > MAX_FILE_BYTES:
            raise OSError(f"{found.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
        return file.read()


@dataclass(frozen=True, slots=True)
class BytesImage:
    """An image held in memory, encoded as PNG, JPEG or another format Pillow reads."""

    data: bytes

    def read(self) -> bytes:
        """Return the bytes."""
        return self.data


def read_image(source: ImageSource, name: str) -> bytes:
    """Return a source's bytes; raises `ImageError` that names the image when they cannot be read."""
    try:
        return source.read()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error.strerror or error}") from error


def decode_image(data: bytes, name: str = "image", *, coarse_side: int | None = None) -> Image.Image:
    """Decode an image to mode RGB, turned upright.

    The first frame of an animation is used; EXIF orientation is applied; greyscale, palette, CMYK and 16-bit images are
    converted (16-bit by dropping the low byte); transparent pixels are laid over white. Float images (mode F) are read as
    [0, 1] when they lie in it, else as [0, 255].

    Args:
        data: the encoded bytes.
        name: how error messages call the image.
        coarse_side: in pixels; a JPEG is decoded at the coarsest of its own scales (1, 1/2, 1/4, 1/8) that leaves both sides
            at least so long. All of it is read just the same, so the same damage is found. None decodes at full size, as
            everything does that feeds a network.

    Raises:
        ImageError: not an image, truncated or damaged, without pixels, or over `MAX_PIXELS`.
    """
    if not data:
        raise ImageError(f"{name}: the file is empty")
    if data[4:12] in _HEIC_STARTS:
        _read_heic_too()
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError(f"{name}: {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed")
            if coarse_side is not None:
                image.draft(None, (coarse_side, coarse_side))
            image.load()
            return _to_rgb(_upright(image))
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_unknown_format(data)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: more pixels than the {MAX_PIXELS:,} allowed") from None
    except ImageError:
        raise
    # Pillow's decoders raise these, and no common type, on damaged files; Warning where the caller made warnings errors.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(f"{name}: damaged or truncated: {error}") from error
    except (
        struct.error,
        zlib.error,
        OverflowError,
        MemoryError,
        RuntimeError,
        ZeroDivisionError,
        AssertionError,
        Warning,
    ) as error:
        raise ImageError(f"{name}: damaged or truncated: {error}") from error


@cache
def _read_heic_too() -> None:
    """Let Pillow read HEIC, the format of telephones' cameras, where the package that does is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ModuleNotFoundError:
        return
    register_heif_opener()


def _unknown_format(data: bytes) -> str:
    if data[4:12] in _HEIC_STARTS:
        return "a HEIC photo; reading it takes pip install 'tlcore[heic]'"
    return "not an image that can be read"


def encode_png(image: Image.Image) -> bytes:
    """Return an image as the bytes of a PNG file, without loss and quickly rather than small."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def rgb_image(image: Image.Image, name: str = "image") -> Image.Image:
    """Return a decoded Pillow image as `decode_image` would: mode RGB, turned upright, transparency over white.

    Raises:
        ImageError: without pixels, or over `MAX_PIXELS`.
    """
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        raise ImageError(f"{name}: {width} x {height} pixels, expected 1 to {MAX_PIXELS:,}")
    return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.format == "JPEG" and image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # as it is: exif_transpose would copy it, which takes a tenth of the time that decoding it took
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, struct.error, ZeroDivisionError):
        return image  # EXIF too damaged to name an orientation; the pixels themselves are sound


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        levels = np.nan_to_num(np.asarray(image), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if levels.size and levels.min() >= 0.0 and levels.max() <= 1.0 else 1.0
        return Image.fromarray(np.clip(np.rint(levels * scale), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, opaque).convert("RGB")
    return image.convert("RGB")
