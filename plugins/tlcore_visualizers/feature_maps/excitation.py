"""How strongly each image of a dataset excites each channel of a layer, and where."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32, Int32
from PIL import Image

from tlcore.dataset import LeftOut, Sample
from tlcore.errors import DatasetError, ImageError, VisualizationError
from tlcore.images import decode_image, read_image
from tlcore.machine.cores import available_cores
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.visualizer import Subject
from tlcore_visualizers.borrowed import borrowed, captured
from tlcore_visualizers.layers import Layer, device_of

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Excitation:
    """The highest value of each channel in each image.

    Attributes:
        samples: the images that could be read.
        peaks: (images, channels), float32.
        places: (images, channels, 2), int32: row and column of the peak on the layer's grid.
        left_out: those that cannot be read.
    """

    samples: tuple[Sample, ...]
    peaks: Float32[np.ndarray, "images channels"] = field(repr=False)
    places: Int32[np.ndarray, "images channels 2"] = field(repr=False)
    left_out: tuple[LeftOut, ...] = ()

    def strongest(self, channel: int, count: int) -> tuple[int, ...]:
        """Return the indices of the images that excite a channel most, most first."""
        return tuple(int(index) for index in np.argsort(-self.peaks[:, channel], kind="stable")[:count])

    def choosiest(self, count: int) -> tuple[int, ...]:
        """Return the channels whose highest peak stands out most from their peaks on all images, most first."""
        spread = self.peaks.std(axis=0) + 1e-6
        choosy = (self.peaks.max(axis=0) - self.peaks.mean(axis=0)) / spread
        alive = np.where(self.peaks.std(axis=0) > 0, choosy, -1)
        return tuple(int(index) for index in np.argsort(-alive, kind="stable")[:count])


def excitation(subject: Subject, samples: Sequence[Sample], layer: Layer, *, progress: Progress = silent) -> Excitation:
    """Run images through a network and keep each channel's peak.

    Args:
        subject: the network; left as found.
        samples: unreadable ones are left out.
        layer: as `find_layers` gives it.
        progress: told after each batch.

    Raises:
        DatasetError: none of the images can be read.
        VisualizationError: the layer's values are not finite.
    """
    kept: list[Sample] = []
    left_out: list[LeftOut] = []
    peaks: list[np.ndarray] = []
    places: list[np.ndarray] = []
    with ThreadPoolExecutor(available_cores()) as pool, borrowed(subject.network), torch.no_grad():
        for start in range(0, len(samples), _BATCH):
            batch = samples[start : start + _BATCH]
            read = list(pool.map(lambda sample: _pixels(sample, subject), batch))
            for sample, pixels in zip(batch, read, strict=True):
                if isinstance(pixels, str):
                    left_out.append(LeftOut(sample.name, pixels))
                else:
                    kept.append(sample)
            whole = [pixels for pixels in read if not isinstance(pixels, str)]
            if whole:
                found = _peaks(subject, np.stack(whole), layer)
                peaks.append(found[0])
                places.append(found[1])
            progress(ProgressEvent(f"images through {layer.name}", min(start + _BATCH, len(samples)), len(samples)))
    if not kept:
        raise DatasetError(f"none of the {len(samples)} images can be read; the first: {left_out[0].reason}")
    return Excitation(
        samples=tuple(kept), peaks=np.concatenate(peaks), places=np.concatenate(places), left_out=tuple(left_out)
    )


def patch(
    subject: Subject, image: Image.Image, layer: Layer, channel: int, place: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the part of a photo that a place of a channel looks at: left, top, right, bottom in its pixels.

    It holds nine tenths of the gradient's size, a twentieth left out on each side: the effective receptive field (Luo et
    al. 2016), which is far smaller than what could reach the place at all. Where no gradient arrives it is the place itself.

    Args:
        subject: the network; left as found.
        image: upright RGB.
        layer: as `find_layers` gives it.
        channel: of that layer.
        place: row and column on its grid.
    """
    preprocess = subject.preprocess
    inputs = torch.from_numpy(preprocess.normalise(preprocess.pixels(image)[None])).to(device_of(subject.network))
    with borrowed(subject.network), captured(subject.network, [layer.name]) as outputs:
        subject.network(inputs.requires_grad_())
        value = layer.grid(outputs[layer.name])[0, channel, place[0], place[1]]
        gradient = torch.autograd.grad(value, inputs)[0][0].abs().sum(0).cpu().numpy()
    rows, columns = _extent(gradient.sum(1), place[0], layer.rows), _extent(gradient.sum(0), place[1], layer.columns)
    left, top, right, bottom = preprocess.region(image.size)
    across, down = (right - left) * image.width, (bottom - top) * image.height
    corners = (
        left * image.width + columns[0] * across, top * image.height + rows[0] * down,
        left * image.width + columns[1] * across, top * image.height + rows[1] * down,
    )  # fmt: skip
    return _whole_pixels(corners, image.size)


def _peaks(subject: Subject, pixels: np.ndarray, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    inputs = torch.from_numpy(subject.preprocess.normalise(pixels)).to(device_of(subject.network))
    with captured(subject.network, [layer.name]) as outputs:
        subject.network(inputs)
        flat = layer.grid(outputs[layer.name]).flatten(2).float()
    if not torch.isfinite(flat).all():
        raise VisualizationError(f"{subject.name}: layer {layer.name} gives values that are not finite")
    highest, position = flat.max(2)
    places = torch.stack([position // layer.columns, position % layer.columns], dim=2)
    return highest.cpu().numpy(), places.int().cpu().numpy()


def _pixels(sample: Sample, subject: Subject) -> np.ndarray | str:
    """Return the pixels of an image, or why it cannot be read."""
    try:
        return subject.preprocess.pixels(decode_image(read_image(sample.image, sample.name), sample.name))
    except ImageError as error:
        return str(error)


def _extent(energy: np.ndarray, place: int, places: int) -> tuple[float, float]:
    """Return from where to where 5 to 95 % of the energy lie, as shares of the side."""
    total = float(energy.sum())
    if not total > 0:
        return place / places, (place + 1) / places
    shares = np.cumsum(energy, dtype=np.float64) / total
    first, last = int(np.searchsorted(shares, 0.05)), int(np.searchsorted(shares, 0.95))
    return first / len(energy), min(1.0, (last + 1) / len(energy))


def _whole_pixels(corners: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    left, top = min(width - 1, max(0, round(corners[0]))), min(height - 1, max(0, round(corners[1])))
    return left, top, max(left + 1, min(width, round(corners[2]))), max(top + 1, min(height, round(corners[3])))
