"""A copy of a network to draw by: the same answers at fewer passes over memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F

from tlcore.engines.folding import fold_batch_norm

_AGREE = 1e-3
"""Greatest difference of logits, as a share of the largest, that rounding explains."""

_SMALL_MAPS = 20_480
"""Numbers of one image's maps up to which torch convolves them by its plain code, not by oneDNN."""


def folded(network: torch.nn.Module, size: tuple[int, int]) -> tuple[torch.nn.Module, Mapping[str, torch.nn.BatchNorm2d]]:
    """Return a copy whose batch norms are folded into the convolutions before them, and by their names what was folded.

    Convolutions of size 1 with small maps become the matrix products that they are. Where the copy's answer differs from the
    network's, the network itself is returned and nothing is folded. Its weights ask for no gradients, and nothing in it
    works in place, so that what any layer made can be kept.

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
        _multiply_small_maps(light, example)
        light.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        agrees = (light(example) - expected).abs().max() <= _AGREE * expected.abs().max()
    if not agrees or not all(isinstance(norm, torch.nn.BatchNorm2d) for norm in norms.values()):
        return network, {}
    for module in light.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010 - to mypy it is a tensor or a module
    return light, {name: norm for name, norm in norms.items() if isinstance(norm, torch.nn.BatchNorm2d)}


class _Pointwise(torch.nn.Module):
    """A convolution of size 1 as the matrix product that it is: for small maps torch's own takes twice as long.

    Args:
        convolution: without groups, padding or stride.
    """

    def __init__(self, convolution: torch.nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight.flatten(1)
        self.bias = convolution.bias

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return F.linear(maps.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)


def _multiply_small_maps(network: torch.nn.Module, example: torch.Tensor) -> None:
    """Replace the convolutions of size 1 whose maps are small in all that a network does with one image."""
    largest: dict[str, int] = {}

    def look(name: str, module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        largest[name] = max(largest.get(name, 0), given[0].numel())

    found = {name: module for name, module in network.named_modules() if _is_pointwise(module)}
    handles = [module.register_forward_pre_hook(partial(look, name)) for name, module in found.items()]
    network(example)
    for handle in handles:
        handle.remove()
    for name in [name for name, numbers in largest.items() if numbers <= _SMALL_MAPS]:
        network.set_submodule(name, _Pointwise(cast(torch.nn.Conv2d, found[name])))


def _is_pointwise(module: torch.nn.Module) -> bool:
    return (
        isinstance(module, torch.nn.Conv2d)
        and module.kernel_size == module.stride == (1, 1)
        and module.groups == 1
        and module.padding in ((0, 0), "valid", "same")
    )
