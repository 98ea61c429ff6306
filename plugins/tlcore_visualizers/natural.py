"""The images of a dataset that a network holds to be most of a class.

People tell what a network answers to better from natural images than from drawn ones (Borowski et al. 2020: 92 against
82 %), so both are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.dataset import Dataset
from tlcore.errors import ImageError
from tlcore.images import decode_image, read_image
from tlcore.progress import Progress, ProgressEvent
from tlcore.visualizer import Subject
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.spectrum import spread

_BATCH = 16


@dataclass(frozen=True)
class NaturalImages:
    """Images of a dataset as a network sees them.

    Attributes:
        names: of each.
        pixels: as preprocessed.
        probabilities: of each class.
        left_out: how many could not be read.
    """

    names: tuple[str, ...]
    pixels: UInt8[np.ndarray, "images height width 3"]
    probabilities: Float32[np.ndarray, "images classes"]
    left_out: int

    def best(self, index: int, count: int) -> list[tuple[str, UInt8[np.ndarray, "height width 3"], float]]:
        """Return name, pixels and probability of the likeliest of a class, likeliest first."""
        order = np.argsort(-self.probabilities[:, index], kind="stable")[:count]
        return [
            (self.names[position], self.pixels[position], float(self.probabilities[position, index])) for position in order
        ]


def natural_images(subject: Subject, dataset: Dataset, most: int, progress: Progress) -> NaturalImages:
    """Run a network over a dataset, or over as many images of it, spread evenly."""
    network = PixelNetwork(subject)
    names: list[str] = []
    pixels: list[np.ndarray] = []
    chosen = spread(dataset.samples, most)
    found = [np.zeros((0, max(1, len(subject.class_names))), np.float32)]
    for done, sample in enumerate(chosen, 1):
        try:
            image = decode_image(read_image(sample.image, sample.name), sample.name)
            pixels.append(subject.preprocess.pixels(image))
            names.append(sample.name)
        except ImageError:
            pass
        waiting = len(pixels) - sum(map(len, found))
        if waiting and (waiting == _BATCH or done == len(chosen)):
            found.append(network.probabilities(np.stack(pixels[-waiting:])))
        progress(ProgressEvent("natural images", done, len(chosen)))
    height, width = subject.preprocess.image_size
    shown = np.stack(pixels) if pixels else np.zeros((0, height, width, 3), np.uint8)
    whole = np.concatenate(found[1:]) if found[1:] else found[0]
    return NaturalImages(tuple(names), shown, whole, len(chosen) - len(names))
