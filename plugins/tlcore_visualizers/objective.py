"""What an image is drawn for: a class, a mix of two, or what a layer's channels answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from jaxtyping import Float32

from tlcore.errors import OptionError, did_you_mean
from tlcore_visualizers.layers import Layer
from tlcore_visualizers.recipe import Loss

Logits = Float32[torch.Tensor, "images classes"]
Losses = Float32[torch.Tensor, " images"]

Outputs = Mapping[str, torch.Tensor]
"""What layers gave in the last run of a network, by name, as `captured` has it."""


@dataclass(frozen=True)
class ClassObjective:
    """A class, or several by weight.

    Attributes:
        weights: class index to weight; the weights sum to 1.
        loss: ``margin`` is the logit less the log-sum-exp of all others, ``probability`` the cross-entropy.
    """

    weights: Mapping[int, float]
    loss: Loss

    def __call__(self, logits: Logits, outputs: Outputs) -> Losses:
        """Return one loss per image."""
        wanted = torch.stack([weight * logits[:, index] for index, weight in self.weights.items()]).sum(dim=0)
        if self.loss == "logit":
            return -wanted
        if self.loss == "probability":
            return torch.logsumexp(logits, dim=1) - wanted
        others = logits.clone()
        others[:, list(self.weights)] = -torch.inf
        return torch.logsumexp(others, dim=1) - wanted


@dataclass(frozen=True)
class LayerObjective:
    """What channels of a layer answer, in one direction.

    Attributes:
        layer: of the network.
        weights: channel to weight.
        middle: only the middle of its map counts, one neuron, not its mean.
    """

    layer: Layer
    weights: Mapping[int, float]
    middle: bool = False

    def __call__(self, logits: Logits, outputs: Outputs) -> Losses:
        """Return one loss per image."""
        return -self.activation(outputs)

    def activation(self, outputs: Outputs) -> Float32[torch.Tensor, " images"]:
        """Return what it is to be made large."""
        maps = self.layer.grid(outputs[self.layer.name])
        norm = sum(weight**2 for weight in self.weights.values()) ** 0.5
        chosen = torch.stack([weight / norm * maps[:, channel] for channel, weight in self.weights.items()]).sum(dim=0)
        if self.middle:
            return chosen[:, chosen.shape[1] // 2, chosen.shape[2] // 2]
        return chosen.mean(dim=(1, 2))


Objective = ClassObjective | LayerObjective
"""What is to be made small: called with logits and what listened-to layers gave, by name, it returns one loss per image."""


def layer_objective(
    name: str, layers: Sequence[Layer], *, layer: str, channel: int | None, direction: str, neuron: bool
) -> LayerObjective:
    """Return the objective that options name.

    Args:
        name: of the network, for errors.
        layers: as `find_layers` returns them.
        layer, channel, direction, neuron: the options.

    Raises:
        OptionError: no such layer or channel, or the direction cannot be read.
    """
    named = {found.name: found for found in layers}
    if layer not in named:
        hint = did_you_mean(layer, named) or ";"
        raise OptionError(f"{name} has no layer {layer!r}{hint} it has {len(named)} with maps: {_some([*named])}")
    chosen = named[layer]
    if (channel is None) == (not direction):
        raise OptionError(f"layer {layer!r} needs a channel (0 to {chosen.channels - 1}) or a direction, one of the two")
    weights = {channel: 1.0} if channel is not None else read_direction(direction)
    wrong = [index for index in weights if index >= chosen.channels]
    if wrong:
        raise OptionError(f"layer {layer!r} of {name} has channels 0 to {chosen.channels - 1}, there is no {wrong[0]}")
    return LayerObjective(chosen, weights, neuron)


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{', '.join(names[:3])}, ... {names[-1]}"


def read_direction(text: str) -> dict[int, float]:
    """Read ``"3:1;7:-0.5"`` as channel to weight.

    >>> read_direction("3:1;7:-0.5")
    {3: 1.0, 7: -0.5}
    """
    found: dict[int, float] = {}
    for part in text.split(";"):
        channel, _, weight = part.partition(":")
        try:
            found[int(channel)] = float(weight or 1)
        except ValueError:
            found[-1] = 0.0
    if any(index < 0 for index in found) or not 0 < sum(weight**2 for weight in found.values()) < float("inf"):
        raise OptionError(f"a direction is CHANNEL:WEIGHT, more after ';', for instance 3:1;7:-0.5, got {text!r}")
    return found


def likeness(maps: Float32[torch.Tensor, "images channels rows columns"]) -> Float32[torch.Tensor, ""]:
    """Return how alike images are to a layer: the mean cosine of each two Gram matrices (Olah et al. 2017)."""
    flat = maps.flatten(2)
    grams = F.normalize((flat @ flat.transpose(1, 2)).flatten(1), dim=1)
    pairs = [(grams[first] * grams[second]).sum() for first, second in combinations(range(len(grams)), 2)]
    return torch.stack(pairs).mean()
