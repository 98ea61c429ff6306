"""What backbone plugins need of any torch network: a digest of its weights, the outputs of its layers, an export module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from tlcore import weights
from tlcore.preprocess import Preprocess


def channels_last(inputs: Float32[np.ndarray, "images 3 height width"]) -> torch.Tensor:
    """Return inputs as a tensor in the memory layout that convolutions are quickest in."""
    return torch.from_numpy(inputs).to(memory_format=torch.channels_last)


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return `tlcore.weights.weights_digest` of tensors."""
    return weights.weights_digest({name: tensor.detach().contiguous().numpy() for name, tensor in tensors.items()})


def layer_outputs(network: torch.nn.Module, inputs: torch.Tensor, names: set[str]) -> dict[str, torch.Tensor]:
    """Run a network and return copies of the named modules' tensors, in the order they ran; no hook is left behind."""
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                outputs[name] = output.clone()

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in network.named_modules() if name in names]
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


class Embedder(torch.nn.Module):
    """A network of timm's form as a module from normalised inputs to pooled features and the maps they were pooled from.

    Args:
        network: without its classifier; has ``forward_features`` and ``forward_head``.
        feature_size: length of the pooled features.
    """

    def __init__(self, network: torch.nn.Module, feature_size: int) -> None:
        super().__init__()
        self.network = network
        self.feature_size = feature_size

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return features, (images, features), and maps, (images, features, rows, columns), or None."""
        network: Any = self.network
        maps = network.forward_features(inputs)
        features = network.forward_head(maps, pre_logits=True).flatten(1)
        if maps.ndim != 4:
            return features, None
        if maps.shape[1] != self.feature_size and maps.shape[3] == self.feature_size:
            maps = maps.permute(0, 3, 1, 2)
        return features, maps


class Normalise(torch.nn.Module):
    """From 8-bit pixels, uint8 (images, height, width, 3), to normalised inputs, float32 (images, 3, height, width).

    Args:
        preprocess: for its mean and std.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        mean, std = np.array(preprocess.mean, np.float64), np.array(preprocess.std, np.float64)
        self.register_buffer("scale", torch.tensor(1 / (255 * std), dtype=torch.float32).reshape(1, 3, 1, 1))
        self.register_buffer("shift", torch.tensor(-mean / std, dtype=torch.float32).reshape(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return ``(images / 255 - mean) / std``, channels first."""
        return images.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift


class PixelEmbedder(torch.nn.Module):
    """From 8-bit pixels to pooled features alone, float32 (images, features).

    Args:
        embedder: as `Backbone.torch_embedder` returns it.
        preprocess: for its mean and std.
    """

    def __init__(self, embedder: torch.nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.normalise = Normalise(preprocess)
        self.embedder = embedder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features of uint8 (images, height, width, 3)."""
        features: torch.Tensor = self.embedder(self.normalise(images))[0]
        return features


class MirrorMean(torch.nn.Module):
    """The mean of a network's output over inputs, (images, 3, height, width), and mirrored inputs."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the mean of both outputs."""
        mean: torch.Tensor = (self.network(inputs) + self.network(inputs.flip(3))) / 2
        return mean


class MirrorEmbedder(torch.nn.Module):
    """An embedder (see `Backbone.torch_embedder`) averaged over inputs and mirrored inputs."""

    def __init__(self, embedder: torch.nn.Module) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return mean features, and mean maps, those of mirrored inputs mirrored back, or None."""
        features, maps = self.embedder(inputs)
        mirrored, mirrored_maps = self.embedder(inputs.flip(3))
        features = (features + mirrored) / 2
        return features, None if maps is None else (maps + mirrored_maps.flip(3)) / 2
