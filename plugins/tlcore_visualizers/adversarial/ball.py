"""The pictures that are allowed: near the original, within [0, 1], and changed only where the network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float

from tlcore.epsilon import LEVELS, Norm


def length(change: Float[torch.Tensor, "images 3 height width"], norm: Norm) -> Float[torch.Tensor, " images"]:
    """Return of each change its norm in units of pixel values, (images,)."""
    flat = change.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


def of_each(values: torch.Tensor) -> torch.Tensor:
    """Return (images,) as (images, 1, 1, 1), to multiply pictures with."""
    return values.reshape(-1, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Ball:
    """All pictures within a distance of the originals.

    Attributes:
        origin: (images, 3, height, width) in [0, 1].
        epsilon: of each image its radius in units of pixel values, (images,).
        norm: what the distance is measured by.
        mask: 1 where a pixel may change, (images, 1, height, width) or (images, 1, 1, 1).
    """

    origin: torch.Tensor
    epsilon: torch.Tensor
    norm: Norm
    mask: torch.Tensor

    def rows(self, index: torch.Tensor) -> Ball:
        """Return the ball of some of the images."""
        return Ball(origin=self.origin[index], epsilon=self.epsilon[index], norm=self.norm, mask=self.mask[index])

    def project(self, images: torch.Tensor) -> torch.Tensor:
        """Return the nearest allowed pictures."""
        if self.norm == "linf":
            return images.clamp(*self._bounds)
        change = (images - self.origin) * self.mask
        change = change * (of_each(self.epsilon) / of_each(length(change, "l2")).clamp_min(1e-12)).clamp_max(1.0)
        return (self.origin + change).clamp(0.0, 1.0)

    def holds(self, images: torch.Tensor) -> bool:
        """Tell whether pictures are allowed, but for the rounding of float32."""
        return bool((self.project(images) - images).abs().max() <= 1e-6)

    @cached_property
    def _bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the largest norm the least and the greatest values, (images, 3, height, width) each."""
        reach = of_each(self.epsilon) * self.mask
        return (self.origin - reach).clamp_min(0.0), (self.origin + reach).clamp_max(1.0)

    def step(self, images: torch.Tensor, gradient: torch.Tensor, stride: torch.Tensor) -> torch.Tensor:
        """Return allowed pictures, moved as far as a stride along a gradient.

        Args:
            images: (images, 3, height, width).
            gradient: of the same shape.
            stride: of each image how far, measured by the ball's norm, (images,).
        """
        return self.project(torch.addcmul(images, of_each(stride), self._direction(gradient)))

    def _direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the change of norm 1 that follows a gradient most closely; projection undoes it outside the mask."""
        if self.norm == "linf":
            return gradient.sign()
        gradient = gradient * self.mask
        return gradient / of_each(length(gradient, "l2")).clamp_min(1e-12)

    def random(self, generator: torch.Generator) -> torch.Tensor:
        """Return pictures drawn from the ball: each pixel evenly (Linf), or a random direction and radius (L2)."""
        radius = of_each(self.epsilon)
        if self.norm == "linf":
            change = torch.rand(self.origin.shape, generator=generator) * 2 - 1
            return self.project(self.origin + radius * change)
        change = torch.randn(self.origin.shape, generator=generator) * self.mask
        share = torch.rand(len(self.origin), generator=generator)
        return self.project(self.origin + of_each(share / length(change, "l2").clamp_min(1e-12)) * radius * change)

    def rounded(self, images: torch.Tensor) -> torch.Tensor:
        """Return allowed pictures whose every pixel is a whole level of 255: what an 8-bit file can hold.

        The originals must be whole levels themselves. A pixel is rounded to the nearest level; where that leaves the ball,
        toward the original, which never does.
        """
        levels = (self.project(images) - self.origin).double() * LEVELS
        inward = (levels.abs() + 1e-3).floor() * levels.sign()
        nearest = levels.round()
        if self.norm == "linf":
            largest = (of_each(self.epsilon).double() * LEVELS + 1e-4).floor()
            kept = torch.maximum(torch.minimum(nearest, largest), -largest)
        else:
            kept = self._rounded_l2(levels, nearest, inward)
        whole = (self.origin.double() * LEVELS).round() + kept
        return (whole.clamp(0, LEVELS) / LEVELS).float()

    def room(self, images: torch.Tensor) -> torch.Tensor:
        """Return how many values of each whole-level picture may still move by one level, (images,) int64."""
        levels = ((images - self.origin).double() * LEVELS).round().flatten(1)
        if self.norm == "linf":
            return torch.full((len(levels),), levels.shape[1])
        left = (self.epsilon.double() * LEVELS) ** 2 - levels.square().sum(1)
        return (left / (2 * levels.abs().amax(1) + 1)).floor().clamp(0, levels.shape[1]).long()

    def _rounded_l2(self, levels: torch.Tensor, nearest: torch.Tensor, inward: torch.Tensor) -> torch.Tensor:
        """Shrink the change as little as its rounding needs to stay within the radius."""
        kept = inward
        radius = self.epsilon.double() * LEVELS + 1e-4
        for share in (0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0):
            candidate = (levels * share).round() if share < 1.0 else nearest
            fits = length(candidate, "l2") <= radius
            kept = torch.where(of_each(fits), candidate, kept)
        return kept
