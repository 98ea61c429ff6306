"""The smaller views that a picture begins with: parts of it at half the cost of a step."""

from __future__ import annotations

import torch

from tlcore_visualizers.pixel_network import PixelNetwork

_SHARE = 0.7
"""Side of a smaller view, as a share of the network's input."""

_MULTIPLE = 32
"""Sides are multiples of what most networks divide theirs by."""

_LEAST = 128
"""Side below which too little of a thing is in a view, pixels."""


def small_view_size(network: PixelNetwork) -> tuple[int, int]:
    """Return (height, width) of the smaller views, pixels: the network's own input size where it takes no smaller one.

    Most convolutional networks take any size; most vision transformers take one.
    """
    own = network.image_size
    height, width = (min(side, max(_LEAST, round(_SHARE * side / _MULTIPLE) * _MULTIPLE)) for side in own)
    if (height, width) == own:
        return own
    with torch.no_grad():
        expected = network(torch.full((1, 3, *own), 0.5)).shape
        try:
            found = network(torch.full((1, 3, height, width), 0.5)).shape
        except (AssertionError, RuntimeError, ValueError):  # each is some network's way to refuse a size
            return own
    return (height, width) if found == expected else own
