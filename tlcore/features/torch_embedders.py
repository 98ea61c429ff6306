"""Features of several layers, or of a grid of places, as torch modules that export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tlcore.errors import BackboneError

_SHORTEST = 1e-12


class LayersEmbedder(torch.nn.Module):
    """From normalised inputs to the features of several layers and the pooled ones, each group of length 1, and None.

    Args:
        embedder: as `Backbone.torch_embedder` returns it; not copied.
        layers: names of its modules whose outputs, (images, channels, rows, columns), are averaged over places.
        columns: which features are kept; None keeps all.
        name: how errors call the backbone.

    Raises:
        BackboneError: there is no such module.
    """

    columns: torch.Tensor

    def __init__(self, embedder: torch.nn.Module, layers: Sequence[str], columns: Sequence[int] | None, name: str) -> None:
        super().__init__()
        self.embedder = embedder
        self.layers = tuple(layers)
        self._pooled: dict[str, torch.Tensor] = {}
        modules = dict(embedder.named_modules())
        for layer in self.layers:
            module = modules.get(layer) or modules.get(f"network.{layer}")
            if module is None:
                raise BackboneError(f"backbone {name} has no layer {layer!r} that features can be taken from")
            module.register_forward_hook(self._keeper(layer))
        self.has_columns = columns is not None
        self.register_buffer("columns", torch.tensor(columns if columns is not None else [0], dtype=torch.int64))

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return features, (images, features), and None."""
        pooled, _ = self.embedder(inputs)
        groups = [*(self._pooled[layer] for layer in self.layers), pooled]
        self._pooled.clear()
        features = torch.cat([group / group.norm(dim=1, keepdim=True).clamp_min(_SHORTEST) for group in groups], dim=1)
        return features.index_select(1, self.columns) if self.has_columns else features, None

    def _keeper(self, layer: str) -> Any:
        def hook(module: torch.nn.Module, arguments: object, output: torch.Tensor) -> None:
            # Averaged at once: what follows may change the output in place.
            self._pooled[layer] = output.float().mean(dim=(2, 3))

        return hook


class GridEmbedder(torch.nn.Module):
    """From normalised inputs to the mean of the last maps over each cell of a grid, row by row, and None.

    Args:
        embedder: as `Backbone.torch_embedder` returns it; not copied.
        cells: along each side; where they do not divide the map evenly, neighbours share a row or column of it.
        name: how errors call the backbone.

    Raises:
        BackboneError: when called, that the features are not the mean of maps, or that these are smaller than the grid.
    """

    def __init__(self, embedder: torch.nn.Module, cells: int, name: str) -> None:
        super().__init__()
        self.embedder = embedder
        self.cells = cells
        self.name = name

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return features, (images, cells * cells * features), and None."""
        pooled, maps = self.embedder(inputs)
        if maps is None or int(maps.shape[1]) != int(pooled.shape[1]):
            raise BackboneError(f"features of backbone {self.name} are not the mean of its last maps; leave grid out")
        height, width = int(maps.shape[-2]), int(maps.shape[-1])
        if min(height, width) < self.cells:
            raise BackboneError(f"the last maps of backbone {self.name} have {height} x {width} places; take a smaller grid")
        # By slices, since adaptive pooling into uneven cells does not export everywhere.
        cells = [
            maps[:, :, top:bottom, left:right].float().mean(dim=(2, 3))
            for top, bottom in self._bounds(height)
            for left, right in self._bounds(width)
        ]
        return torch.cat(cells, dim=1), None

    def _bounds(self, places: int) -> list[tuple[int, int]]:
        return [(cell * places // self.cells, -(-(cell + 1) * places // self.cells)) for cell in range(self.cells)]


class EmbeddedClassifier(torch.nn.Module):
    """An embedder with one linear layer on its features."""

    def __init__(self, embedder: torch.nn.Module, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.embedder = embedder
        self.layer = layer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits, (images, classes)."""
        logits: torch.Tensor = self.layer(self.embedder(inputs)[0])
        return logits
