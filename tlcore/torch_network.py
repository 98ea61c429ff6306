"""What backbone plugins need of any torch network: a digest of its weights, the outputs of its layers, an export module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32


def channels_last(inputs: Float32[np.ndarray, "images 3 height width"]) -> torch.Tensor:
    """Return inputs as a tensor in the memory layout that convolutions are quickest in."""
    return torch.from_numpy(inputs).to(memory_format=torch.channels_last)


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of weights, in order of name, as 64 hexadecimal digits."""
    summary = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().contiguous().numpy()
        summary.update(f"{name} {array.dtype} {array.shape}".encode())
        summary.update(array.data)
    return summary.hexdigest()


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
