"""The images of a dataset that excite a channel most, and the patch of each that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw

from tlcore.dataset import Sample
from tlcore.display.picture_sheet import picture_sheet
from tlcore.images import decode_image, read_image
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.visualizer import Picture, Subject, file_name
from tlcore_visualizers.feature_maps.excitation import Excitation, excitation, patch
from tlcore_visualizers.feature_maps.maps import check_channels
from tlcore_visualizers.layers import Layer

TILE = 160
_FRAME = (255, 60, 60)


@dataclass(frozen=True, kw_only=True)
class Exemplars:
    """The images that excite one channel most.

    Attributes:
        channel: its number.
        names: of the images, the most exciting first.
        values: (images,), float32: the channel's peak in each.
        patches: left, top, right, bottom of what excites it, in each image's pixels.
        picture: the images with the patch framed, above the patches.
        record: everything needed to make it again, JSON-ready.
    """

    channel: int
    names: tuple[str, ...]
    values: Float32[np.ndarray, " images"]
    patches: tuple[tuple[int, int, int, int], ...]
    picture: Picture = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()


def find_exemplars(
    subject: Subject,
    samples: Sequence[Sample],
    layer: Layer,
    *,
    channels: Sequence[int] = (),
    most: int = 8,
    count: int = 6,
    progress: Progress = silent,
) -> tuple[tuple[Exemplars, ...], Excitation]:
    """Return, for each channel, the images that excite it most; and how strongly each image excites each channel.

    Args:
        subject: the network; left as found.
        samples: images to choose from; unreadable ones are left out.
        layer: as `find_layers` gives it.
        channels: their numbers; by default the `most` whose highest peak stands out most from their other peaks.
        most: how many of those.
        count: images for each channel.
        progress: told how far it is.

    Raises:
        DatasetError: none of the images can be read.
        VisualizationError: a channel does not exist, or values are not finite.
    """
    check_channels(layer, channels)
    found = excitation(subject, samples, layer, progress=progress)
    chosen = tuple(channels) or found.choosiest(most)
    done = []
    for number, channel in enumerate(chosen, 1):
        done.append(_of_channel(subject, found, layer, channel, count))
        progress(ProgressEvent("patches", number, len(chosen)))
    return tuple(done), found


def _of_channel(subject: Subject, found: Excitation, layer: Layer, channel: int, count: int) -> Exemplars:
    framed, cut, patches = [], [], []
    indices = found.strongest(channel, count)
    for index in indices:
        sample = found.samples[index]
        image = decode_image(read_image(sample.image, sample.name), sample.name)
        row, column = found.places[index, channel]
        box = patch(subject, image, layer, channel, (int(row), int(column)))
        patches.append(box)
        told = f"{found.peaks[index, channel]:.2f}  {sample.name}"
        framed.append(Picture(f"image-{index}", np.asarray(_framed(image, box)), told))
        cut.append(Picture(f"patch-{index}", np.asarray(image.crop(box)), " "))
    names = tuple(found.samples[index].name for index in indices)
    values = found.peaks[list(indices), channel]
    told = f"{layer.name}, channel {channel}: what excites it most, {values[0]:.2f} to {values[-1]:.2f}"
    return Exemplars(
        channel=channel,
        names=names,
        values=values,
        patches=tuple(patches),
        picture=Picture(
            file_name(f"{layer.name[-60:]}-channel-{channel}-examples"),
            np.asarray(picture_sheet([*framed, *cut], len(indices), tile=TILE)),
            told,
        ),
        record={
            "layer": layer.name,
            "channel": channel,
            "images": list(names),
            "values": [float(value) for value in values],
            "patches": [list(box) for box in patches],
        },
    )


def _framed(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    scale = max(1, TILE // max(image.size))
    shown = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    left, top, right, bottom = (scale * side for side in box)
    width = max(1, round(max(shown.size) / 80))
    ImageDraw.Draw(shown).rectangle((left, top, right - 1, bottom - 1), outline=_FRAME, width=width)
    return shown
