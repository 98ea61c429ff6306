"""What is saved is what the network sees: reading it again through the same record changes no pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tlcore.errors import VisualizationError
from tlcore.preprocess import Preprocess
from tlcore_visualizers.adversarial.frame import make_frame, reread

SIZES = [(500, 375), (375, 500), (300, 300), (224, 224), (33, 47), (1, 1), (640, 64), (3, 900), (2000, 1500), (1, 20000)]
RECORDS = {
    "shortest": Preprocess(image_size=(224, 224)),
    "whole": Preprocess(image_size=(64, 64), crop_fraction=1.0),
    "odd": Preprocess(image_size=(65, 65), crop_fraction=0.91, interpolation="bilinear"),
    "oblong": Preprocess(image_size=(48, 80), crop_fraction=0.9),
    "longest": Preprocess(image_size=(64, 64), resize="longest", crop_fraction=1.0),
    "longest-cropped": Preprocess(image_size=(64, 64), resize="longest", crop_fraction=0.8),
    "squash": Preprocess(image_size=(64, 48), resize="squash", crop_fraction=0.95),
    "padded": Preprocess(image_size=(64, 64), crop_fraction=1.3),
}


def photo(size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(size)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("record", RECORDS)
def test_changed_pixels_come_back_unchanged(record: str, size: tuple[int, int]) -> None:
    preprocess = RECORDS[record]
    frame = make_frame(photo(size), "photo", preprocess)
    noise = np.random.default_rng(1).integers(0, 256, frame.inputs.shape, dtype=np.uint8)
    changed = np.where(frame.mask[..., None], noise, frame.inputs)
    picture = frame.with_inputs(changed)
    assert np.array_equal(reread(picture, preprocess), changed)
    assert np.array_equal(reread(frame.pixels, preprocess), frame.inputs)
    assert frame.mask.any()


@pytest.mark.parametrize("record", list(RECORDS))
def test_it_begins_at_what_the_network_sees_of_the_photo(record: str) -> None:
    image = photo((500, 375))
    frame = make_frame(image, "photo", RECORDS[record])
    assert np.array_equal(frame.inputs, RECORDS[record].pixels(image))


def test_aspect_is_kept() -> None:
    frame = make_frame(photo((500, 375)), "photo", RECORDS["shortest"])
    assert frame.size == (341, 256) and frame.original_size == (500, 375)


def test_a_change_of_the_padding_is_noticed() -> None:
    frame = make_frame(photo((100, 40)), "photo", RECORDS["longest"])
    assert not frame.mask.all()
    with pytest.raises(VisualizationError, match="changes when it is saved"):
        frame.with_inputs(255 - frame.inputs)
