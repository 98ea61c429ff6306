"""Feature maps of one image: what each channel of a layer finds where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from matplotlib import colormaps
from PIL import Image

from tlcore.display.picture_sheet import picture_sheet
from tlcore.errors import VisualizationError
from tlcore.visualizer import Picture, Subject, file_name
from tlcore_visualizers.borrowed import borrowed, captured
from tlcore_visualizers.layers import Layer, device_of

TILE = 128
"""Side in pixels of the tile that shows one channel."""

_COLOURS = "viridis"


@dataclass(frozen=True, kw_only=True)
class FeatureMaps:
    """What chosen channels of one layer make of one image.

    Attributes:
        layer: whose output it is.
        channels: their numbers.
        values: (channels, rows, columns), float32, as the layer gives them.
        picture: all of them as tiles, the network's input first.
        record: everything needed to make it again, JSON-ready.
    """

    layer: Layer
    channels: tuple[int, ...]
    values: Float32[np.ndarray, "channels rows columns"] = field(repr=False)
    picture: Picture = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()


def feature_maps(
    subject: Subject,
    image: Image.Image,
    layer: Layer,
    *,
    channels: Sequence[int] = (),
    most: int = 23,
    scale: Literal["own", "shared"] = "own",
    name: str = "image",
) -> FeatureMaps:
    """Return what channels of a layer make of an image.

    Args:
        subject: the network; left as found.
        image: upright RGB, of any size.
        layer: as `find_layers` gives it.
        channels: their numbers; by default those whose maps vary most over the image, most first.
        most: how many of those.
        scale: colours go from the lowest to the highest value of each map, or of all maps together.
        name: of the image, for the picture's name.

    Raises:
        VisualizationError: a channel does not exist, or the values are not finite.
    """
    check_channels(layer, channels)
    pixels = subject.preprocess.pixels(image)
    inputs = torch.from_numpy(subject.preprocess.normalise(pixels[None])).to(device_of(subject.network))
    with borrowed(subject.network), torch.no_grad(), captured(subject.network, [layer.name]) as outputs:
        subject.network(inputs)
        maps = layer.grid(outputs[layer.name])[0].float().cpu().numpy()
    if not np.isfinite(maps).all():
        raise VisualizationError(f"{subject.name}: layer {layer.name} gives values of {name} that are not finite")
    spread = maps.reshape(len(maps), -1).std(axis=1)
    chosen = tuple(channels) or tuple(int(index) for index in np.argsort(-spread, kind="stable")[:most])
    values = maps[list(chosen)]
    told = f"{layer.name}: {len(chosen)} of {layer.channels} channels, {layer.rows} x {layer.columns}"
    shown = Picture("input", pixels, f"what {subject.name} sees")
    tiles = [_tile(channel, each, values, scale) for channel, each in zip(chosen, values, strict=True)]
    sheet = picture_sheet([shown, *tiles], tile=TILE)
    picture_name = file_name(f"{Path(name).stem[:40]}-{layer.name[-60:]}-maps")
    return FeatureMaps(
        layer=layer,
        channels=chosen,
        values=values,
        picture=Picture(picture_name, np.asarray(sheet), told),
        record={"image": name, "layer": layer.name, "channels": list(chosen), "scale": scale},
    )


def check_channels(layer: Layer, channels: Sequence[int]) -> None:
    """Raise `VisualizationError` unless a layer has these channels."""
    for channel in channels:
        if not 0 <= channel < layer.channels:
            raise VisualizationError(
                f"layer {layer.name!r} has {layer.channels} channels, 0 to {layer.channels - 1}; there is no {channel}"
            )


def _tile(channel: int, values: np.ndarray, together: np.ndarray, scale: str) -> Picture:
    among = values if scale == "own" else together
    lowest, highest = float(among.min()), float(among.max())
    shares = (values - lowest) / (highest - lowest) if highest > lowest else np.zeros_like(values)
    colours = np.rint(255 * colormaps[_COLOURS](shares)[..., :3]).astype(np.uint8)
    return Picture(f"channel-{channel}", colours, f"{channel}: {values.min():.2g} to {values.max():.2g}")
