from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore import images
from tlcore.errors import ImageError
from tlcore.images import MAX_FILE_BYTES, BytesImage, FileImage, FolderImage, ImageSource, decode_image, read_image


def encode(image: Image.Image, form: str = "PNG", **settings: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **settings)
    return stream.getvalue()


def grey_ramp() -> np.ndarray:
    return np.tile(np.arange(0, 256, 4, dtype=np.uint8), (16, 1))


@pytest.mark.parametrize(
    ("mode", "form"),
    [("1", "PNG"), ("L", "PNG"), ("P", "GIF"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("CMYK", "TIFF"),
     ("YCbCr", "JPEG"), ("I;16", "PNG"), ("I", "TIFF"), ("F", "TIFF"), ("LAB", "TIFF")],
)  # fmt: skip
def test_every_mode_becomes_rgb_of_the_same_size(mode: str, form: str) -> None:
    image = Image.new(mode, (31, 17))
    decoded = decode_image(encode(image, form))
    assert (decoded.mode, decoded.size) == ("RGB", (31, 17))


def test_greyscale_keeps_its_levels() -> None:
    decoded = np.asarray(decode_image(encode(Image.fromarray(grey_ramp()))))
    assert (decoded == grey_ramp()[:, :, None]).all()


def test_sixteen_bit_drops_the_low_byte() -> None:
    wide = grey_ramp().astype(np.uint16) * 256 + 77
    decoded = np.asarray(decode_image(encode(Image.fromarray(wide))))
    assert (decoded[:, :, 0] == grey_ramp()).all()


def test_float_in_unit_range_is_scaled() -> None:
    decoded = np.asarray(decode_image(encode(Image.fromarray(grey_ramp().astype(np.float32) / 255), "TIFF")))
    assert (decoded[:, :, 1] == grey_ramp()).all()


def test_transparent_pixels_lie_on_white() -> None:
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    image.putpixel((0, 0), (200, 0, 0, 255))
    decoded = decode_image(encode(image))
    assert decoded.getpixel((0, 0)) == (200, 0, 0)
    assert decoded.getpixel((3, 3)) == (255, 255, 255)


def test_palette_transparency_lies_on_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 10, 10, 20, 20, 20])
    decoded = decode_image(encode(image, "PNG", transparency=1))
    assert decoded.getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_jpeg_keeps_its_colour() -> None:
    decoded = decode_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = decoded.getpixel((8, 8))  # type: ignore[misc]
    assert red > 220
    assert max(green, blue) < 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (40, 20), "black")
    upright.paste((255, 255, 255), (0, 0, 10, 10))
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encode(stored, "JPEG", exif=exif, quality=95))
    assert decoded.size == (40, 20)
    assert np.asarray(decoded)[:8, :8].mean() > 240
    assert np.asarray(decoded)[12:, 14:].mean() < 15


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_make_an_image_unreadable() -> None:
    data = encode(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12")
    assert decode_image(data).size == (8, 8)


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    decoded = decode_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert decoded.getpixel((4, 4)) == (255, 0, 0)


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "a.jpg: the file is empty"),
     (b"just some text, called .jpg", "a.jpg: not an image that can be read"),
     (encode(Image.effect_noise((64, 64), 60), "JPEG")[:700], "a.jpg: damaged or truncated"),
     (encode(Image.effect_noise((64, 64), 60))[:900], "a.jpg: damaged or truncated"),
     (bomb(30000, 30000), "a.jpg: more pixels than the 100,000,000 allowed")],
    ids=["empty", "text", "truncated-jpeg", "truncated-png", "bomb"],
)  # fmt: skip
def test_what_is_no_whole_image_is_told_by_name(data: bytes, told: str) -> None:
    with pytest.raises(ImageError) as error:
        decode_image(data, "a.jpg")
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("installed", [True, False], ids=["package", "no-package"])
def test_heic_photos_are_read_where_their_package_is(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    data = encode(Image.new("RGB", (64, 48), "red"), "HEIF")
    monkeypatch.setattr(Image, "ID", [form for form in Image.ID if form != "HEIF"])
    images._read_heic_too.cache_clear()
    if installed:
        assert decode_image(data).size == (64, 48)
    else:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(ImageError, match=r"a HEIC photo; reading it takes pip install 'tlcore\[heic\]'"):
            decode_image(data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("source", [lambda path: FileImage(path), lambda path: FolderImage(str(path.parent), path.name)])
def test_what_is_no_plain_file_is_told_and_not_waited_for(tmp_path: Path, source: Callable[[Path], ImageSource]) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg: cannot be read: a pipe, socket or device, not a plain file"):
        read_image(source(tmp_path / "pipe.jpg"), "a.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # without content, so it takes no room on the disk
    with pytest.raises(ImageError, match="1,073,741,825 bytes, more than the 1,073,741,824 allowed"):
        read_image(source(tmp_path / "huge.jpg"), "a.jpg")


def test_damage_at_any_place_is_either_decoded_or_told() -> None:
    random = np.random.default_rng(0)
    originals = [
        encode(Image.effect_noise((80, 60), 50).convert("RGB"), form)
        for form in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
    ]
    told = 0
    for _ in range(400):
        data = bytearray(originals[random.integers(len(originals))])
        for place in random.integers(0, len(data), random.integers(1, 8)):
            data[place] = random.integers(256)
        try:
            assert decode_image(bytes(data[: random.integers(1, len(data) + 1)])).mode == "RGB"
        except ImageError:
            told += 1
    assert 100 < told < 400


def test_sources_read_and_name_what_they_cannot(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"123")
    assert read_image(FileImage(tmp_path / "x"), "x") == read_image(BytesImage(b"123"), "b") == b"123"
    with pytest.raises(ImageError, match="gone: cannot be read: No such file or directory"):
        read_image(FileImage(tmp_path / "gone"), "gone")


def test_a_photo_that_is_upright_is_not_copied_and_needs_no_file_any_more() -> None:
    encoded = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(encoded, "JPEG")
    image = decode_image(encoded.getvalue())
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.abs(np.asarray(image.resize((4, 3))).astype(int) - (200, 30, 60)).max() <= 2
    assert np.asarray(image.copy()).shape == (30, 40, 3)
