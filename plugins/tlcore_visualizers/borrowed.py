"""Looking into a network that belongs to somebody else: whatever is done to it, it is left as it was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def borrowed(network: torch.nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode with gradients on, and leave its mode, gradients and frozen weights as they were.

    Works inside the caller's ``torch.no_grad()`` and ``torch.inference_mode()`` too.
    """
    training = [(module, module.training) for module in network.modules()]
    weights = [(parameter, parameter.requires_grad, parameter.grad) for parameter in network.parameters()]
    try:
        network.eval()
        for parameter, _, _ in weights:
            parameter.grad = None  # else what is computed meanwhile would be added to it in place
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in training:
            module.training = mode
        for parameter, requires_grad, gradient in weights:
            parameter.requires_grad_(requires_grad)
            parameter.grad = gradient


@contextmanager
def captured(network: torch.nn.Module, names: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Give a dictionary that a run of the network fills with the named modules' outputs; no hook is left behind.

    What follows a module is fed a copy of its output, so that neither values nor gradients are spoilt where the next module
    works in place.
    """
    outputs: dict[str, torch.Tensor] = {}
    wanted = set(names)

    def hook_of(name: str) -> object:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            if not isinstance(output, torch.Tensor):
                return None
            outputs[name] = output
            return output.clone()

        return hook

    handles = [
        module.register_forward_hook(hook_of(name))  # type: ignore[arg-type]
        for name, module in network.named_modules()
        if name in wanted
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
