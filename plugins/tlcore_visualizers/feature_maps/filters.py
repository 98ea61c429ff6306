"""The filters of a network's first convolution, which look at colours and can be shown as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32

from tlcore.display.picture_sheet import picture_sheet
from tlcore.errors import VisualizationError
from tlcore.visualizer import Picture, Subject, file_name

TILE = 64
_MOST = 512


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of one convolution on three colours.

    Attributes:
        layer: name of the module.
        channels: their numbers.
        values: (filters, 3, rows, columns), float32: the weights.
        picture: each as a tile; grey is 0, and a filter's largest weight is at full strength.
    """

    layer: str
    channels: tuple[int, ...]
    values: Float32[np.ndarray, "filters 3 rows columns"] = field(repr=False)
    picture: Picture = field(repr=False)

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()


def colour_layers(network: torch.nn.Module) -> tuple[str, ...]:
    """Return the names of the convolutions on three colours, in the order they are defined."""
    return tuple(name for name, module in network.named_modules() if _looks_at_colours(module))


def first_filters(subject: Subject, *, layer: str | None = None, channels: Sequence[int] = ()) -> Filters:
    """Return the filters of a convolution on three colours.

    Args:
        subject: the network; left as found.
        layer: its name; by default the first.
        channels: which filters; by default the first `_MOST`.

    Raises:
        VisualizationError: there is no such convolution, or no such filter.
    """
    known = colour_layers(subject.network)
    if not known:
        raise VisualizationError(f"{subject.name} has no convolution on three colours, so it has no filters to show")
    name = layer or known[0]
    if name not in known:
        raise VisualizationError(f"layer {name!r} is no convolution on three colours; these are: {', '.join(known)}")
    convolution = subject.network.get_submodule(name)
    assert isinstance(convolution, torch.nn.Conv2d)
    weights = convolution.weight.detach().float().cpu().numpy()
    missing = [channel for channel in channels if not 0 <= channel < len(weights)]
    if missing:
        raise VisualizationError(f"layer {name!r} has {len(weights)} filters, 0 to {len(weights) - 1}; no {missing[0]}")
    chosen = tuple(channels) or tuple(range(min(_MOST, len(weights))))
    values = weights[list(chosen)]
    highest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    shares = 0.5 + 0.5 * values / np.where(highest > 0, highest, 1)
    pixels = np.rint(255 * shares).astype(np.uint8).transpose(0, 2, 3, 1)
    tiles = [Picture(f"filter-{index}", each, str(index)) for index, each in zip(chosen, pixels, strict=True)]
    told = f"{name}: {len(chosen)} of {len(weights)} filters of {values.shape[2]} x {values.shape[3]} pixels"
    sheet = np.asarray(picture_sheet(tiles, max(1, round((1.6 * len(tiles)) ** 0.5)), tile=TILE))
    return Filters(
        layer=name, channels=chosen, values=values, picture=Picture(file_name(f"{name[-60:]}-filters"), sheet, told)
    )


def _looks_at_colours(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.Conv2d) and module.in_channels == 3 and module.weight.shape[1] == 3
