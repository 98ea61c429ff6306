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
        one, other = (torch.linalg.vector_norm(difference, 1) / max(1, difference.numel()) for difference in (down, across))
        ctx.save_for_backward(down.sign_(), across.sign_())
        return torch.add(one, other)

    @staticmethod
    def backward(ctx: Any, gradient: Float32[torch.Tensor, ""]) -> Images:  # type: ignore[override]
        down, across = ctx.saved_tensors
        found = torch.zeros(*across.shape[:3], down.shape[3])
        for signs, axis in ((down, 2), (across, 3)):
            share, length = float(gradient) / max(1, signs.numel()), signs.shape[axis]
            found.narrow(axis, 1, length).add_(signs, alpha=share)
            found.narrow(axis, 0, length).sub_(signs, alpha=share)
        return found
