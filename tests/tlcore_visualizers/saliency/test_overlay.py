from __future__ import annotations

import numpy as np
from PIL import Image

from tlcore.preprocess import Preprocess
from tlcore_visualizers.saliency.overlay import overlay, shares


def test_the_map_lies_on_the_part_that_the_network_sees() -> None:
    photo = Image.new("RGB", (400, 200), (100, 100, 100))
    values = np.zeros((50, 50), np.float32)
    values[:25, :25] = 1
    pixels, size = overlay(photo, values, Preprocess(image_size=(50, 50), crop_fraction=1.0).region(photo.size))
    assert size == (400, 200)
    assert (pixels[100, :100] == pixels[0, 0]).all() and (pixels[0, 0] > 150).all()  # unseen: paler
    assert (pixels[150, 250] == 100).all()  # seen, nothing there
    assert pixels[40, 140, 0] > pixels[40, 140, 2] + 60  # seen, most salient: red


def test_padding_that_the_network_sees_is_not_shown() -> None:
    photo = Image.new("RGB", (400, 100), (100, 100, 100))
    region = Preprocess(image_size=(64, 64), crop_fraction=1.0, resize="longest").region(photo.size)
    pixels, size = overlay(photo, np.ones((64, 64), np.float32), region)
    assert (pixels.shape, size) == ((100, 448, 3), (400, 100))
    assert np.ptp(pixels[:, :400].astype(int), axis=(0, 1)).max() == 0


def test_what_speaks_against_the_class_has_no_colour() -> None:
    found = shares(np.array([[-5.0, 0.0], [1.0, 2.0]], np.float32))
    assert found[0].tolist() == [0, 0]
    assert 0 < found[1, 0] < found[1, 1] == 1
    assert shares(np.full((2, 2), -1, np.float32)).max() == 0
