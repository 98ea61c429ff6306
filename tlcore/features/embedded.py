"""Backbones made of another one, whose features are what a torch module makes of its network's answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import NetworkFiles
from tlcore.features.derived import DerivedBackbone

if TYPE_CHECKING:
    import torch


class EmbeddedBackbone(DerivedBackbone):
    """Its features are those of its `torch_embedder`, which a subclass makes."""

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Return the embedder's features of normalised inputs."""
        import torch

        from tlcore.torch_network import channels_last

        with torch.inference_mode():
            features: torch.Tensor = self._embedder(channels_last(inputs))[0]
        return features.float().contiguous().numpy()

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Return a module of the embedder's features and the given linear layer on them."""
        import torch

        from tlcore.features.torch_embedders import EmbeddedClassifier

        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        return EmbeddedClassifier(self.torch_embedder(), layer).eval()

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
