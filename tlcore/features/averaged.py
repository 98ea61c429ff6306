"""A backbone whose features are the mean over an image and its mirror image, for bundles that learnt from both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import BackboneInfo, NetworkFiles
from tlcore.features.derived import DerivedBackbone

if TYPE_CHECKING:
    import torch


class MirrorAveraged(DerivedBackbone):
    """Averages features over an image and its mirror image; maps are those of the image as it is.

    Args:
        backbone: what computes each of the two.
    """

    @property
    def info(self) -> BackboneInfo:
        """What the backbone it is made of says."""
        return self._backbone.info

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Return the mean of the features of inputs and of mirrored inputs."""
        mirrored = np.ascontiguousarray(inputs[:, :, :, ::-1])
        mean: np.ndarray = (self._backbone.compute_features(inputs) + self._backbone.compute_features(mirrored)) / 2
        return mean

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Return a module whose logits are the mean over inputs and mirrored inputs."""
        from tlcore.torch_network import MirrorMean

        return MirrorMean(self._backbone.torch_classifier(weight, bias)).eval()

    def torch_embedder(self) -> torch.nn.Module:
        """Return a module of the mean features, and of the mean maps, those of mirrored inputs mirrored back."""
        from tlcore.torch_network import MirrorEmbedder

        return MirrorEmbedder(self._backbone.torch_embedder()).eval()

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return the network it is made of as files."""
        return self._backbone.network_files(classifier, class_names)
