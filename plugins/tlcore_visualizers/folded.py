"""A copy of a network to draw by: the same answers at fewer passes over memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from tlcore.engines.folding import fold_batch_norm

_AGREE = 1e-3
"""Greatest difference of logits, as a share of the largest, that rounding explains."""


def folded(network: torch.nn.Module, size: tuple[int, int]) -> tuple[torch.nn.Module, Mapping[str, torch.nn.BatchNorm2d]]:
    """Return a copy whose batch norms are folded into the convolutions before them, and by their names what was folded.

    Where the copy's answer differs from the network's, the network itself is returned and nothing is folded. Its weights
    ask for no gradients, and nothing in it works in place, so that what any layer made can be kept.

    Args:
        network: in evaluation mode; left as it is.
        size: (height, width) of its input, pixels.
    """
    if not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()):
        return network, {}  # nothing would be gained, and an exported file cannot be copied
    light = copy.deepcopy(network).requires_grad_(False)
    example = torch.linspace(-2, 2, 3 * size[0] * size[1]).reshape(1, 3, *size)
    with torch.no_grad():
        expected = network(example)
        norms = fold_batch_norm(light, example)
        light.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        agrees = (light(example) - expected).abs().max() <= _AGREE * expected.abs().max()
    if not agrees or not all(isinstance(norm, torch.nn.BatchNorm2d) for norm in norms.values()):
        return network, {}
    for module in light.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 - to mypy it is a tensor or a module
    return light, {name: norm for name, norm in norms.items() if isinstance(norm, torch.nn.BatchNorm2d)}
