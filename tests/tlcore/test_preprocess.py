from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform
from timm.data.transforms_factory import transforms_imagenet_eval

from tlcore import Preprocess, Registry, TlcoreError
from tlcore.engines.choice import least_cosine
from tlcore.images import decode_image
from tlcore.preprocess import Interpolation

SIZES = [(500, 375), (375, 500), (333, 500), (640, 427), (31, 17), (17, 31), (1, 1), (1, 90), (300, 2), (224, 224),
         (257, 999), (1024, 768), (99, 101)]  # fmt: skip
TIMM_MODES = {"shortest": "center", "longest": "border", "squash": "squash"}


FLOAT_ERROR = 1e-6 * 255

LEVEL = 1 + FLOAT_ERROR
"""What is left out before it is computed may be rounded the other way: one level of 255, the agreement that is promised."""


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize("crop_fraction", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("image_size", [(64, 64), (48, 80)], ids=["square", "oblong"])
def test_equals_timms_evaluation_transform(
    image_size: tuple[int, int], resize: str, interpolation: str, crop_fraction: float
) -> None:
    ours = Preprocess(image_size=image_size, resize=resize, crop_fraction=crop_fraction, interpolation=interpolation)  # type: ignore[arg-type]
    timms = create_transform(
        (3, *image_size), interpolation=interpolation, crop_pct=crop_fraction, crop_mode=TIMM_MODES[resize],
        mean=ours.mean, std=ours.std,
    )  # fmt: skip
    for size in SIZES:
        if resize == "longest" and max(size) > 64 * min(size):
            continue  # timm itself fails where a side would shrink to nothing
        image = noise(size)
        expected = timms(image).numpy()
        got = ours.normalise(ours.pixels(image)[None])[0]
        assert got.shape == expected.shape
        worst = 255 * np.abs(got - expected).max(axis=(1, 2)) * np.asarray(ours.std)
        assert worst.max() < (FLOAT_ERROR if interpolation == "nearest" else LEVEL), f"{size}: {worst.max():.2f} levels off"


@pytest.mark.parametrize("interpolation", ["bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize("side", [32, 128, 224])
def test_leaving_out_what_is_cropped_changes_a_level_at_most(side: int, interpolation: Interpolation) -> None:
    preprocess = Preprocess(image_size=(side, side), interpolation=interpolation)
    random = np.random.default_rng(side)
    changed = values = 0
    for width, height in random.integers(20, 500, (60, 2)).tolist():
        image = Image.fromarray(255 * random.integers(0, 2, (height, width, 3), dtype=np.uint8))
        difference = off(preprocess, image)
        assert difference.max() <= 1, f"{width} x {height}: {difference.max()} levels off"
        changed, values = changed + np.count_nonzero(difference), values + difference.size
    assert 0 < changed < 0.01 * values


def test_real_photos_and_their_features_stay_what_they_were(shared: Path, registry: Registry) -> None:
    files = [
        *sorted((shared / "datasets" / "PetImages" / "Cat").iterdir())[::75],
        *sorted((shared / "datasets" / "oxford-iiit-pet" / "images").iterdir())[::25],
        *sorted((shared / "images" / "imagenet-samples").glob("*.jpg"))[::50],
    ]
    backbone = registry.backbone(f"local-dir:{shared / 'weights' / 'mobilenetv2_100'}")
    preprocess = backbone.info.preprocess
    images = [decode_image(file.read_bytes(), file.name) for file in files]
    assert max(off(preprocess, image).max() for image in images) <= 1
    few = images[::6]
    before, after = (
        backbone.features(np.stack([make(image) for image in few])) for make in (whole(preprocess), preprocess.pixels)
    )
    assert least_cosine(before, after) > 0.9999


def whole(preprocess: Preprocess) -> Callable[[Image.Image], np.ndarray]:
    """Return what resizes the whole image before it is cropped, as timm does."""
    timms = transforms_imagenet_eval(
        preprocess.image_size, crop_pct=preprocess.crop_fraction, interpolation=preprocess.interpolation, use_prefetcher=True
    )
    return lambda image: timms(image).permute(1, 2, 0).numpy()


def off(preprocess: Preprocess, image: Image.Image) -> np.ndarray:
    """Return how many levels each value is off."""
    return np.abs(preprocess.pixels(image).astype(int) - whole(preprocess)(image).astype(int))


def test_a_long_strip_costs_little_memory_and_equals_the_whole_resize() -> None:
    preprocess = Preprocess(image_size=(224, 224), interpolation="bilinear")
    tracemalloc.start()
    pixels = preprocess.pixels(Image.new("RGB", (90_000, 1), (10, 200, 30)))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert pixels.shape == (224, 224, 3)
    assert (pixels == (10, 200, 30)).all()


def test_record_survives_json_and_its_digest_tells_records_apart() -> None:
    record = Preprocess(image_size=(96, 128), resize="squash", interpolation="bilinear")
    again = Preprocess.from_dict(record.to_dict())
    assert again == record
    assert again.digest == record.digest != Preprocess(image_size=(96, 128)).digest


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("change", "told"),
    [({"image_size": (0, 8)}, "image_size must lie between 1 and 4096"),
     ({"resize": "stretch"}, "resize must be one of shortest, longest, squash, got 'stretch'"),
     ({"interpolation": "cubic"}, "interpolation must be one of"),
     ({"crop_fraction": 0.0}, "crop_fraction must lie between"),
     ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
     ({"exif_transpose": False}, "always turns images upright")],
)  # fmt: skip
def test_malformed_records_are_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(TlcoreError, match=told):
        Preprocess(**{"image_size": (8, 8), **change})  # type: ignore[arg-type]


def test_from_dict_refuses_unknown_fields() -> None:
    with pytest.raises(TlcoreError, match="a preprocess record has the fields"):
        Preprocess.from_dict({"image_size": [8, 8], "colour": "BGR"})


def test_pixels_wants_rgb() -> None:
    with pytest.raises(TlcoreError, match="takes an RGB image, got mode L"):
        Preprocess(image_size=(8, 8)).pixels(Image.new("L", (9, 9)))
