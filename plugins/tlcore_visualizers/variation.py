"""Total variation: what a picture of noise has much of, and a photograph little."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float32

from tlcore_visualizers.parameterisation import Images


def total_variation(images: Images) -> Float32[torch.Tensor, ""]:
    """Return the mean absolute difference of neighbours across plus that of neighbours down."""
    found: torch.Tensor = _Variation.apply(images)
    return found


class _Variation(torch.autograd.Function):
    """Its gradient adds signs where they belong; torch would write each difference's into a picture of its own."""

    @staticmethod
    def forward(ctx: Any, images: Images) -> Float32[torch.Tensor, ""]:
        down, across = images[:, :, 1:] - images[:, :, :-1], images[:, :, :, 1:] - images[:, :, :, :-1]
        ctx.save_for_backward(down, across)
        sums = (torch.linalg.vector_norm(difference, 1) / max(1, difference.numel()) for difference in (down, across))
        return torch.stack([*sums]).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Float32[torch.Tensor, ""]) -> Images:  # type: ignore[override]
        down, across = (difference.sign().mul_(gradient / max(1, difference.numel())) for difference in ctx.saved_tensors)
        found = torch.zeros(*across.shape[:3], down.shape[3])
        found[:, :, 1:] += down
        found[:, :, :-1] -= down
        found[:, :, :, 1:] += across
        found[:, :, :, :-1] -= across
        return found
