"""A folder of photos with known faults planted in it, and photo-like pictures made from a seed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("Cat", "Dog")


def made_photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Make a picture with structure at all scales, as photos have: noise whose amplitude falls with frequency."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size[1]), np.fft.fftfreq(size[0]), indexing="ij"))
    amplitude = 1.0 / np.maximum(frequency, 1.0 / max(size)) ** 1.2
    planes = []
    for _ in range(3):
        plane = np.fft.ifft2(np.fft.fft2(random.standard_normal(frequency.shape)) * amplitude).real
        planes.append(plane / plane.std() * 45 + random.integers(90, 165))
    return Image.fromarray(np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str = "JPEG", **settings: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **settings)
    return out.getvalue()


def made_photos(count: int) -> list[bytes]:
    return [encoded(made_photo(seed), quality=92) for seed in range(count)]


def real_photos(shared: Path, per_class: int) -> list[bytes]:
    folders = [shared / "datasets" / "PetImages" / name for name in CLASSES]
    listed = [sorted(folder.glob("*.jpg"))[:per_class] for folder in folders]
    return [path.read_bytes() for pair in zip(*listed, strict=True) for path in pair]


@dataclass
class Planted:
    """What was planted: image names, as the audit reports them."""

    root: Path
    corrupt: set[str] = field(default_factory=set)
    exact: set[frozenset[str]] = field(default_factory=set)
    near: set[frozenset[str]] = field(default_factory=set)
    conflicts: set[frozenset[str]] = field(default_factory=set)
    leaks: set[frozenset[str]] = field(default_factory=set)


def near_copy(data: bytes, random: np.random.Generator) -> bytes:
    """Resize a picture to 40 % to 140 % and encode it anew, as another program would."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = random.uniform(0.4, 1.4)
    size = (max(40, round(image.width * scale)), max(40, round(image.height * scale)))
    resized = image.resize(size, random.choice([0, 1, 2, 3]).item())
    if random.random() < 0.3:
        return encoded(resized, "WEBP", quality=int(random.integers(40, 95)))
    return encoded(resized, quality=int(random.integers(35, 95)))


def damaged(data: bytes, index: int) -> bytes:
    """Damage a picture so that it cannot be decoded whole, in one of ten ways."""
    png = encoded(Image.open(io.BytesIO(data)).convert("RGB"), "PNG")
    return [
        b"",
        data[: len(data) // 2],
        data[:100],
        b"<!doctype html><title>404</title>",
        bytes(len(data)),
        png[: len(png) // 3],
        png[:40] + bytes(2000) + png[2040:],
        b"\xff\xd8\xff" + bytes(500),
        b"GIF89a" + b"\xff" * 300,
        encoded(made_photo(index), "WEBP")[:400],
    ][index % 10]


def plant(root: Path, photos: Sequence[bytes], seed: int = 0) -> Planted:
    """Write train/ and test/ with a folder per class from at least 140 photos of alternating class, and plant the faults."""
    random = np.random.default_rng(seed)
    planted = Planted(root)
    for index, data in enumerate(photos):
        _write(root, "train" if index % 9 else "test", index % 2, f"{index:04d}.jpg", data)
    train = [index for index in range(len(photos)) if index % 9]
    chosen = iter(random.permutation(train).tolist())

    def name(split: str, label: int, file: str) -> str:
        return f"{split}/{CLASSES[label]}/{file}"

    for number in range(10):
        index = next(chosen)
        file = f"damaged-{number}.{'png' if number in (5, 6) else 'jpg'}"
        _write(root, "train", index % 2, file, damaged(photos[index], number))
        planted.corrupt.add(name("train", index % 2, file))
    for number in range(20):
        index = next(chosen)
        _write(root, "train", index % 2, f"copy-{number}.jpg", photos[index])
        pair = name("train", index % 2, f"{index:04d}.jpg"), name("train", index % 2, f"copy-{number}.jpg")
        planted.exact.add(frozenset(pair))
    for number in range(20):
        index = next(chosen)
        _write(root, "train", index % 2, f"near-{number}.jpg", near_copy(photos[index], random))
        pair = name("train", index % 2, f"{index:04d}.jpg"), name("train", index % 2, f"near-{number}.jpg")
        planted.near.add(frozenset(pair))
    for number in range(5):
        index = next(chosen)
        _write(root, "train", 1 - index % 2, f"conflict-{number}.jpg", photos[index])
        pair = name("train", index % 2, f"{index:04d}.jpg"), name("train", 1 - index % 2, f"conflict-{number}.jpg")
        planted.conflicts.add(frozenset(pair))
    for number in range(10):
        index = next(chosen)
        data = photos[index] if number % 2 else near_copy(photos[index], random)
        _write(root, "test", index % 2, f"leak-{number}.jpg", data)
        pair = name("train", index % 2, f"{index:04d}.jpg"), name("test", index % 2, f"leak-{number}.jpg")
        planted.leaks.add(frozenset(pair))
    return planted


def _write(root: Path, split: str, label: int, file: str, data: bytes) -> None:
    folder = root / split / CLASSES[label]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
