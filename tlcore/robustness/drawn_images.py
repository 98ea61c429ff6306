"""The images of a dataset that are attacked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from tlcore.bundle import Bundle
from tlcore.dataset import LeftOut, Sample
from tlcore.errors import ImageError
from tlcore.images import decode_image, read_image


@dataclass(frozen=True)
class DrawnImages:
    """Images to attack, as the network takes them.

    Attributes:
        pixels: (images, height, width, 3), uint8.
        labels: (images,), in the bundle's class order.
        seen: how many were passed over because the bundle was trained on the same file.
        left_out: could not be read.
    """

    pixels: UInt8[np.ndarray, "images height width 3"]
    labels: Int64[np.ndarray, " images"]
    seen: int
    left_out: tuple[LeftOut, ...]


def draw_images(bundle: Bundle, samples: Sequence[Sample], *, count: int, seed: int) -> DrawnImages:
    """Read as many images as are asked for, drawn by the seed, passing over those the bundle was trained on."""
    trained_on = {digest for name in ("train", "validation") for _, digest in bundle.split.get(name, ())}
    height, width = bundle.record.preprocess.image_size
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    left_out: list[LeftOut] = []
    seen = 0
    for index in np.random.default_rng(seed).permutation(len(samples)):
        if len(labels) == count:
            break
        sample = samples[int(index)]
        try:
            data = read_image(sample.image, sample.name)
            if hashlib.sha256(data).hexdigest() in trained_on:
                seen += 1
                continue
            pixels.append(bundle.record.preprocess.pixels(decode_image(data, sample.name)))
            labels.append(sample.label)
        except ImageError as error:
            left_out.append(LeftOut(sample.name, str(error)))
    stacked = np.stack(pixels) if pixels else np.zeros((0, height, width, 3), np.uint8)
    return DrawnImages(stacked, np.array(labels, np.int64), seen, tuple(left_out))
