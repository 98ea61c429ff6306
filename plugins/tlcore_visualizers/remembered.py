"""What a network remembers of its training images: mean and variance of each channel, kept by its normalisations.

A picture drawn for its class alone is full of waves and contrasts that no photograph has; other networks take them for
fountains and spider webs. Drawn so that its channels also look as those of photographs do, it is believed more.

Source: Yin et al. 2020, Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion. We deviate: means and
variances are those of each view by itself, not of a batch; variances are compared by their logarithms, about the
remembered mean; and each step looks at every sixth normalisation in turn, which costs a sixth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float32

Maps = Float32[torch.Tensor, "images channels rows columns"]
Moment = Float32[torch.Tensor, "images channels"]
Row = Float32[torch.Tensor, " channels"]

_TURNS = 6
"""In how many steps all normalisations are looked at."""

_STILL = 0.05
"""Share of the remembered variance below which a channel is as good as still."""

_OFF = 1e-3
"""Share of the largest weight of a normalisation below which a channel is switched off."""

_FAR = 50.0
"""Squared deviations of a mean beyond which it is no further away: a channel gone wrong shall not outweigh the picture."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What normalisations remember of some channels, in one row.

    Attributes:
        mean: of each channel.
        variance: of each channel.
        share: of each channel in the whole: every layer counts alike.
    """

    mean: Row
    variance: Row
    share: Row

    @classmethod
    def of(cls, memories: Sequence[Memory]) -> Memory:
        """Lay memories of several layers side by side."""
        return cls(
            mean=torch.cat([memory.mean for memory in memories]),
            variance=torch.cat([memory.variance for memory in memories]),
            share=torch.cat([memory.share for memory in memories]) / len(memories),
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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a network its channels can be compared with what a normalisation remembers of them.

    Attributes:
        module: what is listened to.
        given: what the module is given is compared, not what it makes.
        memory: of its channels.
    """

    module: torch.nn.Module
    given: bool
    memory: Memory


def places(network: torch.nn.Module, folded: Mapping[str, torch.nn.BatchNorm2d]) -> list[Place]:
    """Return the places of a network, in the order they were defined.

    Args:
        network: with batch normalisation, or without: then there are none.
        folded: what was folded into its convolutions, by their names, as `folded` returns it: such a convolution makes what
            the normalisation made, of which the mean is its bias and the deviation its weight.
    """
    found = []
    for name, module in network.named_modules():
        if name in folded:
            found.append(Place(module=module, given=False, memory=_made(folded[name])))
        elif isinstance(module, torch.nn.BatchNorm2d) and remembers(module):
            found.append(Place(module=module, given=True, memory=_given(module)))
    return found


def remembers(norm: torch.nn.BatchNorm2d) -> bool:
    """Tell whether a normalisation keeps the mean and variance of its training images."""
    return norm.running_mean is not None and norm.running_var is not None


def _given(norm: torch.nn.BatchNorm2d) -> Memory:
    mean, variance = (cast(torch.Tensor, row).detach() for row in (norm.running_mean, norm.running_var))
    return Memory(mean=mean, variance=variance + norm.eps, share=torch.full_like(mean, 1 / len(mean)))


def _made(norm: torch.nn.BatchNorm2d) -> Memory:
    """Return what a normalisation makes of photographs. A channel it all but switches off counts for nothing."""
    weight = torch.ones(norm.num_features) if norm.weight is None else norm.weight.detach()
    mean = torch.zeros_like(weight) if norm.bias is None else norm.bias.detach()
    alive = (weight.abs() > _OFF * weight.abs().max()).float()
    return Memory(mean=mean, variance=torch.where(alive > 0, weight**2, 1.0), share=alive / alive.sum().clamp(min=1))


class Remembered:
    """Compares what a network makes of an image with what its normalisations remember.

    Args:
        where: as `places` returns them.
        weight: of the loss; at 0 it costs nothing.
    """

    def __init__(self, where: Sequence[Place], weight: float) -> None:
        self._places = where if weight else ()
        self._weight = weight
        self._found: list[tuple[int, Moment, Moment]] = []
        self._memories: dict[tuple[int, ...], Memory] = {}
        self._turn = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the network within the block; nothing is left behind."""
        handles = [
            place.module.register_forward_hook(self._hook(position, place.given))
            for position, place in enumerate(self._places)
        ]
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
            self._memories[positions] = Memory.of([self._places[position].memory for position in positions])
        return self._weight * self._memories[positions].distance(torch.cat(means, 1), torch.cat(squares, 1))

    def _hook(self, position: int, given: bool):  # type: ignore[no-untyped-def]  # the type of a hook is torch's own
        def hook(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor | None:
            if position % _TURNS != self._turn % _TURNS:
                return None
            self._found.append((position, *moments(arguments[0] if given else output)))
            return None if given else output.clone()  # what follows may add to it in place

        return hook


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
