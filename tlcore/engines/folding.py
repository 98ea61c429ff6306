"""Batch norm folded into the convolution before it: the same function with fewer passes over memory."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(network: torch.nn.Module, example: torch.Tensor) -> dict[str, _BatchNorm]:
    """Fold each batch norm that takes a convolution's output into that convolution, in place.

    What such a batch norm also does (timm's apply dropout and the activation) stays in its place, and so does a module with
    a forward hook: somebody looks at its output. Only the modules' order in one run is looked at: whoever calls this
    compares what the network answers before and after.

    Args:
        network: in eval mode.
        example: an input to run it once with.

    Returns:
        the batch norms that are gone, by the name of the convolution each was folded into.
    """
    folded = {}
    for convolution, norm in _pairs(network, example):
        layer, after = network.get_submodule(convolution), network.get_submodule(norm)
        assert isinstance(layer, torch.nn.Conv2d)
        assert isinstance(after, _BatchNorm)
        network.set_submodule(convolution, fuse_conv_bn_eval(layer, after))
        network.set_submodule(norm, _what_else(after))
        folded[convolution] = after
    return folded


def _pairs(network: torch.nn.Module, example: torch.Tensor) -> list[tuple[str, str]]:
    """Return the names of each convolution and of the batch norm that takes its output, both run once."""
    made: dict[int, str] = {}
    runs: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []
    kept: list[object] = []

    def watch(name: str, module: torch.nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: torch.nn.Module, given: tuple[object, ...], output: object) -> None:
            runs[name] = runs.get(name, 0) + 1
            kept.extend((given, output))  # so that no two tensors of the run share an address
            if isinstance(module, torch.nn.Conv2d):
                made[id(output)] = name
            elif id(given[0]) in made:
                pairs.append((made[id(given[0])], name))

        return module.register_forward_hook(hook)

    wanted = (torch.nn.Conv2d, _BatchNorm)
    handles = [
        watch(name, module)
        for name, module in network.named_modules()
        if isinstance(module, wanted) and not module._forward_hooks
    ]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return [pair for pair in pairs if all(runs[name] == 1 for name in pair)]


def _what_else(norm: torch.nn.Module) -> torch.nn.Module:
    """Return what a batch norm does besides: the dropout and activation of timm's, or nothing."""
    parts = (getattr(norm, name, None) for name in ("drop", "act"))
    return torch.nn.Sequential(*(part for part in parts if isinstance(part, torch.nn.Module)))
