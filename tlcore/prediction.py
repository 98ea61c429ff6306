"""What a bundle says of new images."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.errors import ImageError, TlcoreError
from tlcore.images import BytesImage, FileImage, ImageSource, decode_image, read_image

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    # Only tests evaluate these; importing it would take a fifth of the time to predict one photo.
    from jaxtyping import Float32

if TYPE_CHECKING:
    from tlcore.bundle import Bundle

Predictable = str | Path | bytes | ImageSource
"""An image to predict: a path, encoded bytes, or anything with ``read() -> bytes``."""


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one image.

    Attributes:
        name: the image's path, or ``bytes`` for encoded bytes.
        classes: the likeliest classes with their probabilities, likeliest first; empty where the image cannot be read.
        error: why it cannot be read, or None.
    """

    name: str
    classes: tuple[tuple[str, float], ...]
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON-ready values."""
        classes = [{"class": name, "probability": probability} for name, probability in self.classes]
        return {"image": self.name, "classes": classes, "error": self.error}


def predict(
    bundle: Bundle, images: Iterable[Predictable], *, top_k: int = 5, strict: bool = False, batch_size: int = 16
) -> Iterator[Prediction]:
    """Predict images one after the other, in their order, computed in batches.

    Args:
        bundle: the classifier.
        images: paths, encoded bytes or image sources; read as they are needed.
        top_k: how many classes to return of each, at least 1.
        strict: raise `ImageError` on an unreadable image instead of returning a prediction that says why.
        batch_size: images per call of the network.
    """
    if top_k < 1 or batch_size < 1:
        raise TlcoreError(f"top_k and batch_size must be at least 1, got {top_k} and {batch_size}")
    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        yield from _predict_batch(bundle, [image_source(image) for image in batch], top_k, strict)


def _predict_batch(
    bundle: Bundle, sources: Sequence[tuple[str, ImageSource]], top_k: int, strict: bool
) -> Iterator[Prediction]:
    pixels: dict[int, np.ndarray] = {}
    errors: dict[int, str] = {}
    for index, (name, source) in enumerate(sources):
        try:
            pixels[index] = bundle.record.preprocess.pixels(decode_image(read_image(source, name), name))
        except ImageError as error:
            if strict:
                raise
            errors[index] = str(error)
    rows = iter(bundle.probabilities(bundle.logits(np.stack(list(pixels.values()))))) if pixels else iter(())
    for index, (name, _) in enumerate(sources):
        if index in errors:
            yield Prediction(name, (), errors[index])
        else:
            probabilities = next(rows)
            yield Prediction(name, likeliest(probabilities, bundle.record.classes, top_k))


def likeliest(
    probabilities: Float32[np.ndarray, " classes"], class_names: Sequence[str], top_k: int
) -> tuple[tuple[str, float], ...]:
    """Return the `top_k` likeliest classes with their probabilities, likeliest first, ties in class order."""
    best = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple((class_names[index], float(probabilities[index])) for index in best)


def image_source(image: Predictable) -> tuple[str, ImageSource]:
    """Return how messages call an image, and where its bytes come from."""
    if isinstance(image, (str, Path)):
        return str(image), FileImage(Path(image))
    if isinstance(image, bytes):
        return "bytes", BytesImage(image)
    return str(getattr(image, "path", image)), image
