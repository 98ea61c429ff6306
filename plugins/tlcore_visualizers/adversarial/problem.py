"""What an attack is given: a network over pictures, the pictures, and the goal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float32

from tlcore.epsilon import Norm
from tlcore.errors import OptionError, TlcoreError
from tlcore_visualizers.adversarial.ball import Ball
from tlcore_visualizers.adversarial.goal import Goal


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Pictures to change until a network is fooled.

    Attributes:
        network: from (images, 3, height, width) float32 in [0, 1] to logits (images, classes); in evaluation mode, each
            image's logits independent of the others.
        images: (images, 3, height, width), whole levels of 255.
        goal: for each image.
        mask: 1 where a pixel may change, 0 elsewhere, (images, 1, height, width); None for everywhere.
    """

    network: torch.nn.Module
    images: Float32[torch.Tensor, "images 3 height width"]
    goal: Goal
    mask: torch.Tensor | None = None

    def rows(self, index: torch.Tensor) -> Problem:
        """Return the problem of some of the images."""
        mask = None if self.mask is None else self.mask[index]
        return Problem(network=self.network, images=self.images[index], goal=self.goal.rows(index), mask=mask)

    def ball(self, epsilon: float | torch.Tensor, norm: Norm) -> Ball:
        """Return the pictures within epsilon, one for all or one for each image."""
        radius = torch.as_tensor(epsilon, dtype=torch.float32).expand(len(self.images)).clone()
        return Ball(origin=self.images, epsilon=radius, norm=norm, mask=self.changeable)

    @property
    def changeable(self) -> torch.Tensor:
        """Of each image the mask, or a 1 that stands for all its pixels."""
        return torch.ones(len(self.images), 1, 1, 1) if self.mask is None else self.mask

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Return the network's answer, (images, classes); raises `TlcoreError` where it is not finite."""
        with torch.no_grad():
            return self._answer(images)

    def gradient(
        self, images: torch.Tensor, objective: Callable[[torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits, each image's objective and its gradient with respect to the pixels.

        Args:
            images: (images, 3, height, width).
            objective: from logits to one number an image.

        Raises:
            TlcoreError: a logit or the gradient is not finite.
        """
        leaf = images.detach().requires_grad_(True)
        with torch.enable_grad():
            logits = self._answer(leaf)
            values = objective(logits)
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return logits.detach(), values.detach(), _finite(gradient, "a gradient")

    def _answer(self, images: torch.Tensor) -> torch.Tensor:
        """Return the network's logits; raise where they are not finite or tell other classes apart than the goal's."""
        logits = _finite(self.network(images), "logits")
        classes, labels = logits.shape[1], self.goal.labels
        if classes < 2:
            raise OptionError(f"the network tells {classes} class apart; there is no other to take an image for")
        if labels.min() < 0 or labels.max() >= classes:
            wrong = labels[(labels < 0) | (labels >= classes)][0]
            raise OptionError(f"the network has classes 0 to {classes - 1}, got label {int(wrong)}")
        return logits


def _finite(values: torch.Tensor, what: str) -> torch.Tensor:
    # A finite sum has finite terms: one pass over the values, and a second only where it is not.
    if not values.detach().sum().isfinite() and not values.isfinite().all():
        raise TlcoreError(f"the network returned {what} that are not finite (NaN or infinity); are its weights whole?")
    return values


def check(problem: Problem) -> None:
    """Raise unless a problem is one, as far as it shows without asking the network: evaluation mode, pictures in [0, 1]."""
    images, labels = problem.images, problem.goal.labels
    if any(module.training for module in problem.network.modules()):
        raise TlcoreError(
            "the network is in training mode, in which its answers change from call to call; call .eval() on it"
        )
    if len(images) == 0:
        raise OptionError("an attack needs at least one image, got none")
    if not torch.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise OptionError("an attack takes pictures of finite numbers in [0, 1]; got others (NaN, or normalised already?)")
    if len(labels) != len(images):
        raise OptionError(f"an attack takes one label for each image, got {len(labels)} for {len(images)}")


@contextmanager
def frozen(network: torch.nn.Module) -> Iterator[None]:
    """Compute no gradient of the weights meanwhile; they are left as they were found."""
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
