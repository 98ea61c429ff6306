"""Features of several layers of a network: the means of each over the image or parts of it, each group brought to length 1.

Source: Evci et al. 2022 (Head2Toe, arXiv 2201.03529). Deviations: the layers of `choose_layers` are pooled to one place
each, and a fixed number of features is kept (`KEPT`), rather than a share chosen on validation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError, OptionError
from tlcore.features.derived import DerivedBackbone

if TYPE_CHECKING:
    import torch

MOST_LAYERS = 64

KEPT = 2
"""How many times as many features are kept as the network's own pooled ones."""


class LayerParts(NamedTuple):
    """One layer, and how many parts along each side of the image its features are averaged over."""

    layer: str
    cells: int = 1


def choose_layers(backbone: Backbone, count: int) -> tuple[LayerParts, ...]:
    """Return so many of a backbone's layers, evenly spaced from the first to the last, each averaged over the whole image.

    Raises:
        OptionError: `count` is out of range.
        BackboneError: the backbone has no layers.

    >>> from tlcore import Registry
    >>> len(choose_layers(Registry().backbone("mini"), 5))
    5
    """
    if not 1 <= count <= MOST_LAYERS:
        raise OptionError(f"layers must lie between 1 and {MOST_LAYERS}, got {count}")
    known = backbone.layers()
    if not known:
        raise BackboneError(f"backbone {backbone.info.name} has no layers to take features from; leave layers out")
    places = np.linspace(0, len(known) - 1, min(count + 1, len(known))).round().astype(int)[1 if count < len(known) else 0 :]
    return tuple(LayerParts(known[place]) for place in places)


class LayeredBackbone(DerivedBackbone):
    """A backbone whose features are those of several of its layers and its pooled ones.

    Args:
        backbone: what computes the layers; must have a `torch_embedder`.
        layers: which, and over how many parts of the image each is averaged.
        columns: which of the features, in that order, are kept; None keeps all.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[LayerParts], columns: Sequence[int] | None = None) -> None:
        super().__init__(backbone)
        self._layers = tuple(layers)
        self._columns = tuple(columns) if columns is not None else None

    @classmethod
    def from_record(cls, backbone: Backbone, record: Mapping[str, Any]) -> LayeredBackbone:
        """Make it again from what a bundle says."""
        layers = [LayerParts(name, cells) for name, cells in zip(record["names"], record["cells"], strict=True)]
        return cls(backbone, layers, record["columns"])

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle says to make it again, JSON-ready."""
        return {
            "names": [part.layer for part in self._layers],
            "cells": [part.cells for part in self._layers],
            "columns": list(self._columns) if self._columns is not None else None,
        }

    @cached_property
    def info(self) -> BackboneInfo:  # type: ignore[override]
        """What its backbone says, with another number of features and a digest that also covers layers and columns."""
        own = self._backbone.info
        text = f"{own.weights_digest} {[tuple(part) for part in self._layers]} {self._columns}"
        size = len(self._columns) if self._columns is not None else self._width
        return replace(own, feature_size=size, weights_digest=hashlib.sha256(text.encode()).hexdigest())

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Return the layers' features of normalised inputs."""
        import torch

        from tlcore.torch_network import channels_last

        with torch.inference_mode():
            features: torch.Tensor = self._embedder(channels_last(inputs))[0]
        return features.float().contiguous().numpy()

    def torch_embedder(self) -> torch.nn.Module:
        """Return a module from normalised inputs to the layers' features and None: they were pooled from several maps."""
        from tlcore.features.torch_layers import LayersEmbedder

        embedder = self._backbone.torch_embedder()
        return LayersEmbedder(embedder, self._layers, self._columns, self._backbone.info.name).eval()

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Return a module of the layers' features and the given linear layer on them."""
        import torch

        from tlcore.features.torch_layers import LayersClassifier

        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        return LayersClassifier(self.torch_embedder(), layer).eval()

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return the network without a classifier as files: one on other features than its own is no part of it."""
        return self._backbone.network_files(None, ())

    @cached_property
    def _embedder(self) -> torch.nn.Module:
        return self.torch_embedder()

    @cached_property
    def _width(self) -> int:
        height, width = self._backbone.info.preprocess.image_size
        return int(self.compute_features(np.zeros((1, 3, height, width), np.float32)).shape[1])
