"""Features of a grid of places: the mean of a network's last maps over each cell, side by side.

Source: Lazebnik, Schmid and Ponce 2006 (spatial pyramid matching). Deviation: one level of the pyramid, and no weights.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from tlcore.backbone import Backbone, BackboneInfo
from tlcore.errors import OptionError
from tlcore.features.embedded import EmbeddedBackbone

if TYPE_CHECKING:
    import torch

FEWEST_CELLS, MOST_CELLS = 2, 4
"""Along each side."""


class GridBackbone(EmbeddedBackbone):
    """A backbone whose features keep where things are: those of each cell of a grid, row by row.

    Args:
        backbone: its `torch_embedder` must give the maps whose mean its features are.
        cells: along each side.

    Raises:
        OptionError: `cells` is out of range.

    >>> from tlcore import Registry
    >>> mini = Registry().backbone("mini")
    >>> mini.info.feature_size, GridBackbone(mini, 2).info.feature_size
    (768, 3072)
    """

    def __init__(self, backbone: Backbone, cells: int) -> None:
        if not FEWEST_CELLS <= cells <= MOST_CELLS:
            raise OptionError(f"a grid must have {FEWEST_CELLS} to {MOST_CELLS} cells along each side, got {cells}")
        super().__init__(backbone)
        self._cells = cells

    @cached_property
    def info(self) -> BackboneInfo:  # type: ignore[override]
        """What its backbone says, with more features and a digest that also covers the grid."""
        own = self._backbone.info
        text = f"{own.weights_digest} grid {self._cells}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        return replace(own, feature_size=own.feature_size * self._cells**2, weights_digest=digest)

    def torch_embedder(self) -> torch.nn.Module:
        """Return a module from normalised inputs to the cells' features and None: each was pooled from its part of the map.

        Raises:
            BackboneError: the features are not the mean of maps, or the maps have fewer places than the grid has cells.
        """
        from tlcore.features.torch_embedders import GridEmbedder

        return GridEmbedder(self._backbone.torch_embedder(), self._cells, self._backbone.info.name).eval()
