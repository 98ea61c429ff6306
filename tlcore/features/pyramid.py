"""A spatial pyramid: features of the whole image, of its quarters, of its sixteenths, side by side.

Source: Lazebnik, Schmid and Ponce 2006 (spatial pyramid matching). Deviations: features of a network take the place of
counted visual words, finer levels come from earlier and finer maps, and levels have no weights but what the head gives them.
"""

from __future__ import annotations

import numpy as np

from tlcore.backbone import Backbone
from tlcore.errors import BackboneError, OptionError
from tlcore.features.layered import LayerParts

FEWEST_LEVELS, MOST_LEVELS = 2, 4
_PLACES = 2
"""How many places of a map, along each side, one part of the image is averaged over at least."""
_MAX_MISFIT = 0.3
"""How far the shape of a map may be from the image's, relative: what is further off lies on no grid over the image."""


def choose_pyramid(backbone: Backbone, levels: int) -> tuple[LayerParts, ...]:
    """Return the layers of each level but that of the whole image, which the pooled features are.

    The level of N x N parts comes from the end of the last stage whose maps have at least 2N x 2N places.

    Args:
        backbone: with a `torch_embedder` and `layers`.
        levels: with the whole image counted; a level has twice as many parts along each side as the one before.

    Raises:
        OptionError: `levels` is out of range.
        BackboneError: the network has no maps, or none so fine.

    >>> from tlcore import Registry
    >>> choose_pyramid(Registry().backbone("mini"), 3)
    (LayerParts(layer='layer4', cells=2), LayerParts(layer='layer3', cells=4))
    """
    if not FEWEST_LEVELS <= levels <= MOST_LEVELS:
        raise OptionError(f"a pyramid must have {FEWEST_LEVELS} to {MOST_LEVELS} levels, got {levels}")
    stages = _stages(backbone)
    return tuple(_coarsest_fitting(backbone, stages, 2**level) for level in range(1, levels))


def _coarsest_fitting(backbone: Backbone, stages: dict[tuple[int, int], str], cells: int) -> LayerParts:
    fitting = [size for size in stages if min(size) >= _PLACES * cells]
    if not fitting:
        places = _PLACES * cells
        raise BackboneError(
            f"backbone {backbone.info.name} has no maps of {places} x {places} places to take {cells} x {cells} parts of "
            "the image from; take fewer levels of the pyramid"
        )
    return LayerParts(stages[min(fitting)], cells)


def _stages(backbone: Backbone) -> dict[tuple[int, int], str]:
    """The size of maps, (rows, columns), to the layer that ends the stage of this size: the outermost that runs last."""
    import torch

    height, width = backbone.info.preprocess.image_size
    inputs = np.zeros((1, 3, height, width), np.float32)
    with torch.inference_mode():
        last_maps = backbone.torch_embedder()(torch.from_numpy(inputs))[1]
    stages: dict[tuple[int, int], str] = {}
    for name, maps in backbone.compute_feature_maps(inputs, backbone.layers()).items():
        rows, columns = maps.shape[2:]
        before = stages.get((rows, columns))
        lies_on_image = abs(rows / columns * width / height - 1) <= _MAX_MISFIT
        if lies_on_image and (before is None or name.count(".") <= before.count(".")):
            stages[rows, columns] = name
    # A transformer's only layer of this form is its first, which tells next to nothing.
    if last_maps is None or tuple(last_maps.shape[2:]) not in stages:
        raise BackboneError(f"the last features of backbone {backbone.info.name} lie on no grid; leave the pyramid out")
    return stages
