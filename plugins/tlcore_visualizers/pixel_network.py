"""A subject's network as a function of pixels: what every visualizer here differentiates."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from tlcore.visualizer import Subject


class PixelNetwork(torch.nn.Module):
    """From RGB pixels in [0, 1] to logits: normalisation is inside, so that gradients and distances are those of pixels.

    The subject's network is used, not copied; what is done to it must be undone.

    Args:
        subject: whose network it is.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.training = subject.network.training
        self.network = subject.network
        self.temperature = subject.temperature
        self.image_size = subject.preprocess.image_size
        std = torch.tensor(subject.preprocess.std).reshape(1, 3, 1, 1)
        self.register_buffer("scale", 1 / std, persistent=False)
        self.register_buffer("shift", -torch.tensor(subject.preprocess.mean).reshape(1, 3, 1, 1) / std, persistent=False)

    def forward(self, pixels: Float32[torch.Tensor, "images 3 height width"]) -> Float32[torch.Tensor, "images classes"]:
        """Return logits of RGB pixels in [0, 1]."""
        inputs = torch.addcmul(self.shift, pixels, self.scale)
        return cast(torch.Tensor, self.network(inputs.contiguous(memory_format=torch.channels_last)))

    def probabilities(self, pixels: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return what the network says of 8-bit pixels of its input size: the softmax of its calibrated logits."""
        with torch.inference_mode():
            logits = self(to_tensor(pixels))
            return torch.softmax(logits / self.temperature, dim=1).numpy()


def to_tensor(pixels: UInt8[np.ndarray, "images height width 3"]) -> Float32[torch.Tensor, "images 3 height width"]:
    """Return 8-bit pixels as a tensor in [0, 1]."""
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))


def to_pixels(tensor: Float32[torch.Tensor, "images 3 height width"]) -> UInt8[np.ndarray, "images height width 3"]:
    """Return a tensor in [0, 1] as 8-bit pixels, rounded to the nearest level."""
    levels = (tensor.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().numpy()
