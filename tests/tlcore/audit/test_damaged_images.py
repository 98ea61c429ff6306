"""Real encodings damaged at random: each is either decoded or listed with a reason; nothing crashes or hangs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tlcore.audit.planted import encoded, made_photo
from tlcore.audit import audit_dataset, inspect_image
from tlcore.dataset import Dataset, Sample
from tlcore.errors import ImageError
from tlcore.images import BytesImage, decode_image

_ENCODINGS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {"quality": 85}),
    ("JPEG", {"quality": 85, "progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("WEBP", {"quality": 80}),
    ("BMP", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("PPM", {}),
]


def damage(data: bytes, random: np.random.Generator) -> bytes:
    """Overwrite, cut, drop, double or insert bytes at random places, most often near the header."""
    spoiled = bytearray(data)
    for _ in range(int(random.integers(1, 6))):
        reach = len(spoiled) if random.random() < 0.5 else min(len(spoiled), 200)
        at, length = int(random.integers(0, max(1, reach))), int(random.integers(1, 24))
        kind = random.integers(0, 5)
        if kind == 0:
            spoiled[at : at + length] = random.bytes(length)
        elif kind == 1:
            del spoiled[at : at + length]
        elif kind == 2:
            spoiled[at:at] = spoiled[at : at + length]
        elif kind == 3:
            spoiled[at : at + 4] = [255] * 4
        else:
            del spoiled[max(1, len(spoiled) - at) :]
    return bytes(spoiled)


def damaged_images(count: int, originals: list[bytes]) -> list[bytes]:
    random = np.random.default_rng(20)
    return [damage(originals[index % len(originals)], random) for index in range(count)]


# Pillow warns of oddities in damaged files; a warning is no failure.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_two_thousand_damaged_images_are_decoded_or_listed() -> None:
    originals = [
        encoded(made_photo(index, (48, 36)), format, **settings) for index, (format, settings) in enumerate(_ENCODINGS)
    ]
    images = damaged_images(2000, originals)
    started = time.perf_counter()
    samples = tuple(Sample(BytesImage(data), f"{index}", index % 2) for index, data in enumerate(images))
    report = audit_dataset(Dataset(name="damaged", class_names=("a", "b"), splits={"all": samples}))
    assert time.perf_counter() - started < 60
    unreadable = report.finding("unreadable")
    assert unreadable is not None
    listed = {entry.images[0]: entry.note for entry in unreadable.entries}
    assert 200 < len(listed) < 2000
    assert all(listed.values())
    for index in range(0, 2000, 97):
        inspection = inspect_image(images[index])
        assert bool(inspection.problem) == (str(index) in listed)
        assert inspection.problem or (inspection.width > 0 and inspection.height > 0)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_real_photos_damaged_are_decoded_or_listed(shared: Path) -> None:
    paths = sorted((shared / "datasets" / "sign-digits").glob("*/*"))[::60][:10]
    for data in damaged_images(200, [path.read_bytes() for path in paths]):
        inspection = inspect_image(data)
        assert inspection.problem or inspection.width


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_decoding_coarsely_fails_on_the_same_images_as_decoding_whole() -> None:
    originals = [
        encoded(made_photo(index, (600, 400)), "JPEG", quality=85, progressive=bool(index % 2)) for index in range(8)
    ]
    sound = 0
    for data in damaged_images(400, originals):
        whole, coarse = problem(data, None), problem(data, 64)
        assert whole == coarse
        sound += not whole
    assert 20 < sound < 380
    assert decode_image(originals[0], coarse_side=64).size == (150, 100)


def problem(data: bytes, coarse_side: int | None) -> str:
    try:
        decode_image(data, coarse_side=coarse_side)
    except ImageError as error:
        return str(error)
    return ""


def test_sizes_are_of_the_upright_picture_at_full_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned = inspect_image(encoded(made_photo(0, (600, 400)), "JPEG", exif=exif))
    assert (turned.width, turned.height) == (400, 600)
    assert inspect_image(encoded(made_photo(0, (600, 400)), "JPEG")).width == 600
