"""Images that are not what they seem."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int, rows: int | None = None) -> bytes:
    """Return a PNG that states side x side black pixels, in a few kilobytes; `rows` of them are there, by default all."""

    packer = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """Return a small PNG with megabytes of compressed text before its pixels."""
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(b"x" * (1 << 20), 9))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (8 * 25))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + 63 * text + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def noise(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return noise in an image format."""
    encoded = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(encoded, kind)
    return encoded.getvalue()
