"""Pictures of single images for the page: a thumbnail, and where in it the model found its answer."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from tlcore.dataset import Sample
from tlcore.display.thumbnails import data_uri
from tlcore.errors import ImageError
from tlcore.evaluation.model import EvaluatedModel
from tlcore.images import decode_image, read_image
from tlcore.progress import Progress, ProgressEvent

_BATCH = 16
_SIDE = 144
_STRENGTH = 0.65


@dataclass(frozen=True)
class CasePicture:
    """One image of the page.

    Attributes:
        photo: the image, as a ``data:`` address; empty where it cannot be read any more.
        activation: what the network sees of it, with the class activation map of its answer over it; empty where the model
            has none.
    """

    photo: str
    activation: str


def case_pictures(model: EvaluatedModel, samples: Sequence[Sample], *, progress: Progress) -> Mapping[str, CasePicture]:
    """Return a picture of each image, by name.

    Args:
        model: that answered.
        samples: the images; read again.
        progress: told how far it is.
    """
    activations: dict[str, str] = {}
    photos: dict[str, str] = {}
    for start in range(0, len(samples), _BATCH):
        progress(ProgressEvent("pictures", start, len(samples)))
        batch = samples[start : start + _BATCH]
        photos |= {sample.name: data_uri(sample) for sample in batch}
        activations |= _activations(model, batch)
    progress(ProgressEvent("pictures", len(samples), len(samples)))
    return {name: CasePicture(photo, activations.get(name, "")) for name, photo in photos.items()}


def _activations(model: EvaluatedModel, samples: Sequence[Sample]) -> dict[str, str]:
    pixels: dict[str, np.ndarray] = {}
    for sample in samples:
        try:
            image = decode_image(read_image(sample.image, sample.name), sample.name)
        except ImageError:
            continue  # it went away since it was measured: its place on the page says so
        pixels[sample.name] = model.facts.preprocess.pixels(image)
    maps = model.activation_maps(np.stack(list(pixels.values()))) if pixels else None
    if maps is None:
        return {}
    return {name: _uri(overlay(image, map_)) for (name, image), map_ in zip(pixels.items(), maps, strict=True)}


def overlay(
    image: UInt8[np.ndarray, "height width 3"], activation: Float32[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return an image with its class activation map over it: what speaks for the answer is bright, the rest dark.

    Args:
        image: RGB as the network sees it.
        activation: of any size; what is below 0 speaks against the answer and is left dark.
    """
    import matplotlib

    positive = np.maximum(activation, 0)
    scaled = positive / max(float(positive.max()), 1e-12)
    height, width = image.shape[:2]
    large = Image.fromarray(scaled.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(large), 0, 1)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    grey = image.astype(np.float32).mean(axis=2, keepdims=True)
    blended: np.ndarray = ((1 - _STRENGTH) * grey + _STRENGTH * colours).round().clip(0, 255).astype(np.uint8)
    return blended


def _uri(pixels: np.ndarray) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
