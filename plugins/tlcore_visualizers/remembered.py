"""What a network remembers of its training images: mean and variance of each channel, kept by its normalisations.

A picture drawn for its class alone is full of waves and contrasts that no photograph has; other networks take them for
fountains and spider webs. Drawn so that its channels also look as those of photographs do, it is believed more.

Source: Yin et al. 2020, Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion. We deviate: means and
variances are those of each view by itself, not of a batch; variances are compared by their logarithms, about the
remembered mean; and each step looks at every third normalisation in turn, which costs a third.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float32

Maps = Float32[torch.Tensor, "images channels rows columns"]
Moment = Float32[torch.Tensor, "images channels"]
Row = Float32[torch.Tensor, " channels"]

_TURNS = 3
"""In how many steps all normalisations are looked at."""

_STILL = 0.05
"""Share of the remembered variance below which a channel is as good as still."""

_FAR = 50.0
"""Squared deviations of a mean beyond which it is no further away: a channel gone wrong shall not outweigh the picture."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What some normalisations remember, their channels in one row.

    Attributes:
        mean: of each channel.
        variance: of each channel.
        share: of each channel in the whole: every layer counts alike.
    """

    mean: Row
    variance: Row
    share: Row

    @classmethod
    def of(cls, layers: Sequence[torch.nn.BatchNorm2d]) -> Memory:
        """Read normalisations, such as `normalisations` returns."""
        return cls(
            mean=torch.cat([cast(torch.Tensor, layer.running_mean) for layer in layers]),
            variance=torch.cat([cast(torch.Tensor, layer.running_var) + layer.eps for layer in layers]),
            share=torch.cat([torch.full((layer.num_features,), 1 / layer.num_features / len(layers)) for layer in layers]),
        )

    def distance(self, mean: Moment, square: Moment) -> Float32[torch.Tensor, ""]:
        """Return how far channels of these means, and means of squares, are from it: the mean over images and layers.

        Of each channel: its mean's squared distance in remembered standard deviations, and the squared logarithm of its
        variance about the remembered mean over the remembered one.
        """
        away = (mean - self.mean) ** 2 / self.variance
        about = (square - 2 * self.mean * mean + self.mean**2) / self.variance
        strange = away.clamp(max=_FAR) + torch.log(about.clamp(min=0) + _STILL) ** 2
        return (strange @ self.share).mean()


class Remembered:
    """Compares what a network's normalisations are given with what they remember.

    Args:
        network: with batch normalisation, or without: then there is nothing to compare.
        weight: of the loss; at 0 it costs nothing.
    """

    def __init__(self, network: torch.nn.Module, weight: float) -> None:
        self._layers = normalisations(network) if weight else []
        self._weight = weight
        self._found: list[tuple[int, Moment, Moment]] = []
        self._memories: dict[tuple[int, ...], Memory] = {}
        self._turn = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the normalisations within the block; nothing is left behind."""
        handles = [layer.register_forward_pre_hook(self._hook(position)) for position, layer in enumerate(self._layers)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._found.clear()

    def loss(self) -> Float32[torch.Tensor, ""]:
        """Return how far the last run was from what is remembered, by weight; 0 without any. The next looks at others."""
        self._turn += 1
        if not self._found:
            return torch.zeros(())
        positions, means, squares = zip(*self._found, strict=True)
        self._found.clear()
        if positions not in self._memories:
            self._memories[positions] = Memory.of([self._layers[position] for position in positions])
        return self._weight * self._memories[positions].distance(torch.cat(means, 1), torch.cat(squares, 1))

    def _hook(self, position: int):  # type: ignore[no-untyped-def]  # the type of a hook is torch's own
        def hook(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            if position % _TURNS == self._turn % _TURNS:
                self._found.append((position, *moments(arguments[0])))

        return hook


def normalisations(network: torch.nn.Module) -> list[torch.nn.BatchNorm2d]:
    """Return the normalisations of a network that remember mean and variance, in the order they were defined."""
    layers = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    return [layer for layer in layers if layer.running_mean is not None and layer.running_var is not None]


def moments(maps: Maps) -> tuple[Moment, Moment]:
    """Return the mean of each channel's values and of their squares."""
    found: tuple[Moment, Moment] = _Moments.apply(maps)
    return found


class _Moments(torch.autograd.Function):
    """Both by a product with a row of ones, which is ten times as fast as torch's reductions of maps in channels-last."""

    @staticmethod
    def forward(ctx: Any, maps: Maps) -> tuple[Moment, Moment]:
        ctx.save_for_backward(maps)
        flat = maps.permute(0, 2, 3, 1).flatten(1, 2)
        ones = flat.new_full((len(flat), 1, flat.shape[1]), 1 / flat.shape[1])
        return (ones @ flat)[:, 0], (ones @ (flat * flat))[:, 0]

    @staticmethod
    def backward(ctx: Any, *gradients: Moment) -> Maps:
        (maps,) = ctx.saved_tensors
        of_mean, of_square = (gradient[:, :, None, None] / maps[0, 0].numel() for gradient in gradients)
        return torch.addcmul(of_mean, maps, 2 * of_square)
