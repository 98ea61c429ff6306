"""Gradient descent in its three plain forms.

torch's own optimisers import its compiler when one is made, which takes seconds and changes the process's environment; a
picture of one tensor needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tlcore_visualizers.recipe import Optimiser

_MOMENTUM = 0.9
_SECOND_MOMENT = 0.999
_SMALL = 1e-8


class Descent:
    """Changes tensors against their gradients.

    Args:
        parameters: leaf tensors, changed in place.
        optimiser: ``sgd``; ``momentum`` (0.9); or ``adam``, Kingma and Ba 2014, with their settings.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], optimiser: Optimiser) -> None:
        self._parameters = parameters
        self._optimiser = optimiser
        self._first = [torch.zeros_like(parameter) for parameter in parameters]
        self._second = [torch.zeros_like(parameter) for parameter in parameters]
        self._steps = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[torch.Tensor], learning_rate: float) -> None:
        """Make one step against the gradients, as many as parameters."""
        self._steps += 1
        for parameter, gradient, first, second in zip(self._parameters, gradients, self._first, self._second, strict=True):
            if self._optimiser == "sgd":
                parameter.sub_(gradient, alpha=learning_rate)
            elif self._optimiser == "momentum":
                parameter.sub_(first.mul_(_MOMENTUM).add_(gradient), alpha=learning_rate)
            else:
                first.lerp_(gradient, 1 - _MOMENTUM)
                second.mul_(_SECOND_MOMENT).addcmul_(gradient, gradient, value=1 - _SECOND_MOMENT)
                root = (second / (1 - _SECOND_MOMENT**self._steps)).sqrt_().add_(_SMALL)
                parameter.addcdiv_(first, root, value=-learning_rate / (1 - _MOMENTUM**self._steps))
