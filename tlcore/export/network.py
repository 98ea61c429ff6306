"""The network as it is exported: from 8-bit pixels to calibrated probabilities, in one torch module."""

from __future__ import annotations

from typing import cast

import torch

from tlcore.bundle import Bundle
from tlcore.errors import ExportError
from tlcore.head import FittedHead
from tlcore.preprocess import Preprocess
from tlcore.torch_network import Normalise

_SAME_MEAN = 1e-4
"""Relative difference up to which pooled features count as the mean of the last feature maps."""


class ExportNetwork(torch.nn.Module):
    """Normalisation, backbone, head and calibrated softmax as one module.

    Its forward takes uint8 (images, height, width, 3) and returns probabilities, logits, (images, classes), features,
    (images, features), and where `activation_map` is set the class activation map of the likeliest class, (images, rows,
    columns): its mean over the map is that class's logit less its bias.

    Source: Zhou et al. 2016, Learning deep features for discriminative localization (class activation maps).

    Args:
        embedder: from normalised inputs to (features, feature maps before pooling or None).
        head: from features to logits.
        preprocess: for its mean and std.
        temperature: what logits are divided by before the softmax.
        activation_map: whether to return it; the head must then be one linear layer.
    """

    def __init__(
        self,
        embedder: torch.nn.Module,
        head: torch.nn.Module,
        preprocess: Preprocess,
        temperature: float,
        activation_map: bool,
    ) -> None:
        super().__init__()
        self.normalise = Normalise(preprocess)
        self.embedder = embedder
        self.head = head
        self.temperature = temperature
        self.activation_map = activation_map

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return probabilities, logits, features and, where set, the activation map."""
        features, maps = self.embedder(self.normalise(images))
        logits = self.head(features)
        probabilities = torch.softmax(logits / self.temperature, dim=1)
        if not self.activation_map:
            return probabilities, logits, features
        linear = cast(torch.nn.Linear, self.head)
        weights = linear.weight[logits.argmax(dim=1)].unsqueeze(1)
        activation = torch.bmm(weights, maps.flatten(2)).reshape(-1, maps.shape[2], maps.shape[3])
        return probabilities, logits, features, activation


def make_network(bundle: Bundle, *, activation_map: bool) -> ExportNetwork:
    """Return the bundle's network, in evaluation mode.

    Args:
        bundle: what to export.
        activation_map: whether to return it where it exists: with a linear head on features that are the mean of maps.

    Raises:
        ExportError: its backbone or its head is no torch network.
    """
    embedder = bundle.backbone.torch_embedder().eval()
    head = head_module(bundle.head).eval()
    has_map = activation_map and isinstance(head, torch.nn.Linear) and _pools_maps(embedder, bundle.record.preprocess)
    network = ExportNetwork(embedder, head, bundle.record.preprocess, bundle.record.temperature, has_map).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def head_module(head: FittedHead) -> torch.nn.Module:
    """Return a fitted head as a torch module from features to logits; raises `HeadError` where there is none."""
    linear = head.linear()
    if linear is None:
        return head.torch_module()
    weight, bias = linear
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer


def _pools_maps(embedder: torch.nn.Module, preprocess: Preprocess) -> bool:
    """Tell, on noise, whether the embedder's features are the mean over its maps."""
    noise = torch.randn(2, 3, *preprocess.image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features, maps = embedder(noise)
    if features.ndim != 2:
        raise ExportError(f"the backbone's features have shape {tuple(features.shape)}, expected (images, features)")
    if maps is None or maps.ndim != 4 or maps.shape[:2] != features.shape:
        return False
    difference = (maps.mean(dim=(2, 3)) - features).abs().max()
    return bool(difference <= _SAME_MEAN * features.abs().max())
