"""Backbones made of another backbone, which computes other features with the same network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import Backbone, NetworkFiles

if TYPE_CHECKING:
    import torch


class DerivedBackbone(Backbone):
    """Has the layers, maps and network of the backbone it is made of; a subclass says what its features are.

    Args:
        backbone: what it is made of.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def layers(self) -> Sequence[str]:
        """Return the layers of the backbone it is made of."""
        return self._backbone.layers()

    def compute_feature_maps(
        self, inputs: Float32[np.ndarray, "images 3 height width"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        """Return the maps of the inputs as they are."""
        return self._backbone.compute_feature_maps(inputs, layers)

    def torch_network(self) -> torch.nn.Module:
        """Return the network it is made of."""
        return self._backbone.torch_network()

    @abstractmethod
    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Return a module of its features and the given linear layer on them."""

    @abstractmethod
    def torch_embedder(self) -> torch.nn.Module:
        """Return a module from normalised inputs to its features and maps."""

    @abstractmethod
    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return the network as files, as far as they can hold what it computes."""
