"""The handwritten digits that come with scikit-learn, as PNG images."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from tlcore.dataset import ALL, Dataset, Sample
from tlcore.images import BytesImage
from tlcore.specs import NoOptions


def read_digits(argument: str | None, options: NoOptions) -> Dataset:
    """Return the 1,797 digits, unsplit: greyscale, 8 x 8 pixels, 17 levels stretched to 8 bits."""
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    samples = tuple(
        Sample(BytesImage(_png(image)), f"digit-{index:04d}.png", int(label))
        for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True))
    )
    return Dataset(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        splits={ALL: samples},
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository",
        homepage="https://archive.ics.uci.edu/dataset/80",
    )


def _png(pixels: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()
