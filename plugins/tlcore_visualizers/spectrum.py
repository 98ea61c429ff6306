"""How strong waves of each frequency are in photographs, and how far a picture is from that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from tlcore.dataset import Dataset, Sample
from tlcore.errors import ImageError, VisualizationError
from tlcore.images import decode_image, read_image
from tlcore.progress import Progress, ProgressEvent

MOST_IMAGES = 200
"""Of a dataset, spread evenly, that its spectrum is taken from."""

FREQUENCIES: Float64[np.ndarray, " frequencies"] = np.geomspace(0.02, 0.5, 24)
"""At which spectra are compared, in cycles a pixel."""


def dataset_pixels(
    dataset: Dataset, size: tuple[int, int], progress: Progress
) -> Float32[np.ndarray, "images height width 3"]:
    """Return images of a dataset, their middles scaled to one size, in [0, 1]; those that cannot be read are left out.

    Raises:
        VisualizationError: none of them can be read.
    """
    chosen = spread(dataset.samples, MOST_IMAGES)
    found = []
    for done, sample in enumerate(chosen, 1):
        try:
            image = decode_image(read_image(sample.image, sample.name), sample.name)
        except ImageError:
            continue
        finally:
            progress(ProgressEvent("spectrum of the dataset", done, len(chosen)))
        found.append(_middle(image, size))
    if not found:
        raise VisualizationError(f"{dataset.name}: none of {len(chosen)} images can be read to take a spectrum from")
    return np.stack(found)


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Return at most so many samples, spread evenly over all."""
    count = min(most, len(samples))
    return [samples[position * len(samples) // count] for position in range(count)]


def mean_magnitude(
    pixels: Float32[np.ndarray, "images height width 3"],
) -> tuple[Float32[torch.Tensor, "3 height half_width"], Float32[torch.Tensor, " 3"]]:
    """Return the mean strength of each frequency in images, and their mean colour (Fel et al. 2023, MACO).

    The strength of the mean itself is 0: the colour stands for it.
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    colour = images.mean(dim=(0, 2, 3))
    waves = torch.fft.rfft2(images - images.mean(dim=(2, 3), keepdim=True), norm="ortho")
    magnitude = waves.abs().mean(dim=0)
    magnitude[:, 0, 0] = 0
    return magnitude, colour


def radial_spectrum(pixels: UInt8[np.ndarray, "height width 3"]) -> Float64[np.ndarray, " frequencies"]:
    """Return the logarithm (base 10) of a picture's amplitude at each of `FREQUENCIES`, the mean over all directions."""
    grey = pixels.astype(np.float64).mean(axis=2) / 255
    grey -= grey.mean()
    height, width = grey.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    amplitude = np.abs(np.fft.rfft2(grey * window)) / np.sqrt(grey.size)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    ring = np.rint(frequency * min(height, width)).astype(int)
    inside = (ring >= 1) & (frequency <= 0.5)
    sums = np.bincount(ring[inside], amplitude[inside])
    counts = np.bincount(ring[inside])
    known = np.flatnonzero(counts)
    logarithm = np.log10(np.maximum(sums[known] / counts[known], 1e-6))
    found: np.ndarray = np.interp(np.log(FREQUENCIES), np.log(known / min(height, width)), logarithm)
    return found


def natural_spectrum(
    pixels: Float32[np.ndarray, "images height width 3"] | None,
) -> Float64[np.ndarray, " frequencies"]:
    """Return the mean of the radial spectra of photographs; without any, amplitudes that fall as 1 / frequency.

    Source of the latter: Field 1987, Relations between the statistics of natural images and the response properties of
    cortical cells.
    """
    if pixels is None:
        law: np.ndarray = -np.log10(FREQUENCIES)
        return law
    each = np.stack([radial_spectrum(np.rint(255 * image).astype(np.uint8)) for image in pixels])
    mean: np.ndarray = each.mean(axis=0)
    return mean


def spectrum_distance(pixels: UInt8[np.ndarray, "height width 3"], natural: Float64[np.ndarray, " frequencies"]) -> float:
    """Return how far a picture's radial spectrum is from that of photographs, in decades (root mean square).

    Contrast does not count: both are compared less their means. 0 is a photograph's; white noise is about 0.6.
    """
    difference = radial_spectrum(pixels) - natural
    return float(np.sqrt(np.mean((difference - difference.mean()) ** 2)))


def _middle(image: Image.Image, size: tuple[int, int]) -> Float32[np.ndarray, "height width 3"]:
    height, width = size
    scale = max(width / image.width, height / image.height)
    part = (width / scale, height / scale)
    left, top = (image.width - part[0]) / 2, (image.height - part[1]) / 2
    resized = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + part[0], top + part[1]))
    return np.asarray(resized, np.float32) / np.float32(255)
