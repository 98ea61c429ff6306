"""Views: other looks at an image that its features are also computed of."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tlcore.errors import OptionError
from tlcore.preprocess import Preprocess

MOST_CROPS = 32

_SCALE = (0.35, 1.0)
_RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class View:
    """One look at an image.

    Attributes:
        name: ``""`` as `Preprocess` shows it, ``"flip"`` mirrored, ``"crop-3"`` the third random part of it.
    """

    name: str = ""

    def pixels(self, image: Image.Image, preprocess: Preprocess, digest: str) -> UInt8[np.ndarray, "height width 3"]:
        """Return this view's pixels of an upright RGB image, as large as `Preprocess.pixels` makes them.

        Args:
            image: as `decode_image` returns it.
            preprocess: how images become input.
            digest: SHA-256 of the image's bytes; together with the view's name it decides which part a crop takes.
        """
        if not self.name.startswith("crop-"):
            pixels = preprocess.pixels(image)
            return np.ascontiguousarray(pixels[:, ::-1]) if self.name == "flip" else pixels
        random = np.random.default_rng([int(self.name.removeprefix("crop-")), int(digest[:15], 16)])
        height, width = preprocess.image_size
        part = image.resize(
            (width, height), Image.Resampling[preprocess.interpolation.upper()], box=_part(image.size, random)
        )
        pixels = np.asarray(part)
        return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels


STANDARD = View()
FLIPPED = View("flip")


@dataclass(frozen=True)
class Views:
    """Which views a classifier learns from, and which its answer is the mean over.

    Attributes:
        name: as people write it: ``"one"``, ``"flip"`` or ``"crops:4"``.
        learning: each is one more example of an image's class.
        testing: features are averaged over these, in training's measures, in prediction and in exported models alike.
    """

    name: str
    learning: tuple[View, ...]
    testing: tuple[View, ...]

    @property
    def all(self) -> tuple[View, ...]:
        """Every view, each once."""
        return tuple(dict.fromkeys([*self.learning, *self.testing]))


def parse_views(text: str) -> Views:
    """Read what people write for views; raises `OptionError` for anything else.

    ``one`` is each image as it is. ``flip`` adds its mirror image and averages over both. ``crops:N`` adds N random parts
    with 35 to 100 % of its area, half of them mirrored, to learn from (Szegedy et al. 2015); the answer is of the image as
    it is.

    >>> [view.name for view in parse_views("crops:2").learning]
    ['', 'crop-1', 'crop-2']
    """
    if text == "one":
        return Views(text, (STANDARD,), (STANDARD,))
    if text == "flip":
        return Views(text, (STANDARD, FLIPPED), (STANDARD, FLIPPED))
    crops = re.fullmatch(r"crops:(\d{1,4})", text)
    if crops is None or not 1 <= int(crops[1]) <= MOST_CROPS:
        raise OptionError(f"views are 'one', 'flip' or 'crops:N' with N from 1 to {MOST_CROPS}, got {text!r}")
    return Views(text, (STANDARD, *(View(f"crop-{number}") for number in range(1, int(crops[1]) + 1))), (STANDARD,))


def _part(size: tuple[int, int], random: np.random.Generator) -> tuple[float, float, float, float]:
    """Return a random part of an image, (left, top, right, bottom) in pixels."""
    width, height = size
    area = random.uniform(*_SCALE) * width * height
    ratio = float(np.exp(random.uniform(np.log(_RATIO[0]), np.log(_RATIO[1])))) * width / height
    part_width, part_height = min(width, (area * ratio) ** 0.5), min(height, (area / ratio) ** 0.5)
    left, top = random.uniform(0, width - part_width), random.uniform(0, height - part_height)
    return left, top, left + part_width, top + part_height
