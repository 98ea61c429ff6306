"""Features of several layers, and of parts of the image, as torch modules that export."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import get_ident

import torch

from tlcore.errors import BackboneError
from tlcore.features.layered import LayerParts

_SHORTEST = 1e-12


class LayersEmbedder(torch.nn.Module):
    """From normalised inputs to the features of several layers and the pooled ones, each group of length 1, and None.

    Args:
        embedder: as `Backbone.torch_embedder` returns it; not copied.
        layers: its modules whose outputs, (images, channels, rows, columns), are averaged over so many parts of the image.
        columns: which features are kept; None keeps all.
        name: how errors call the backbone.

    Raises:
        BackboneError: there is no such module.
    """

    columns: torch.Tensor

    def __init__(
        self, embedder: torch.nn.Module, layers: Sequence[LayerParts], columns: Sequence[int] | None, name: str
    ) -> None:
        super().__init__()
        self.embedder = embedder
        self.layers = len(layers)
        self._kept: dict[tuple[int, int], torch.Tensor] = {}
        modules = dict(embedder.named_modules())
        for place, part in enumerate(layers):
            module = modules.get(part.layer) or modules.get(f"network.{part.layer}")
            if module is None:
                raise BackboneError(f"backbone {name} has no layer {part.layer!r} that features can be taken from")
            # A method with arguments, not a closure: a copy of this module then has hooks of its own.
            module.register_forward_hook(partial(self._keep, place, part.cells))
        self.has_columns = columns is not None
        self.register_buffer("columns", torch.tensor(columns if columns is not None else [0], dtype=torch.int64))

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return features, (images, features), and None."""
        pooled, _ = self.embedder(inputs)
        thread = get_ident()
        groups = [*(self._kept.pop((thread, place)) for place in range(self.layers)), pooled.float()]
        features = torch.cat([group / group.norm(dim=1, keepdim=True).clamp_min(_SHORTEST) for group in groups], dim=1)
        return features.index_select(1, self.columns) if self.has_columns else features, None

    def _keep(self, place: int, cells: int, module: torch.nn.Module, arguments: object, output: torch.Tensor) -> None:
        # Averaged at once: what follows may change the output in place. By thread: engines call one module from several.
        self._kept[get_ident(), place] = _means(output.float(), cells)


def _means(maps: torch.Tensor, cells: int) -> torch.Tensor:
    """The mean of maps over each cell, row by row, (images, cells * cells * channels).

    Where cells do not divide the maps evenly, neighbours share a row or column. By slices, since adaptive pooling into
    uneven cells does not export everywhere.
    """
    rows, columns = (_bounds(int(places), cells) for places in maps.shape[2:])
    means = [maps[:, :, top:bottom, left:right].mean(dim=(2, 3)) for top, bottom in rows for left, right in columns]
    return torch.cat(means, dim=1)


def _bounds(places: int, cells: int) -> list[tuple[int, int]]:
    return [(cell * places // cells, -(-(cell + 1) * places // cells)) for cell in range(cells)]


class LayersClassifier(torch.nn.Module):
    """An embedder with one linear layer on its features."""

    def __init__(self, embedder: torch.nn.Module, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.embedder = embedder
        self.layer = layer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits, (images, classes)."""
        logits: torch.Tensor = self.layer(self.embedder(inputs)[0])
        return logits
