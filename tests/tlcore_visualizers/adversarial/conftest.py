"""Networks whose smallest adversarial change is known, and the network in the box on small pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import draw_shape
from tlcore import Registry, Subject
from tlcore.subject import make_subject
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.pixel_network import PixelNetwork


class Affine(torch.nn.Module):
    """Logits are a linear function of the pixels, so every distance to a boundary can be computed by hand."""

    def __init__(self, classes: int = 3, side: int = 8, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(classes, 3 * side * side, generator=generator) / side)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1) - 0.5) @ self.weight.T


@pytest.fixture
def affine() -> Affine:
    return Affine().eval()


def grey_images(count: int = 6, side: int = 8) -> torch.Tensor:
    """Pictures of whole levels about the middle grey, so that no small change leaves [0, 1]."""
    levels = np.random.default_rng(0).integers(100, 156, (count, 3, side, side))
    return torch.tensor(levels / 255, dtype=torch.float32)


def away(network: torch.nn.Module, images: torch.Tensor) -> Problem:
    """The problem of getting away from the class each image has."""
    with torch.no_grad():
        labels = network(images).argmax(1)
    return Problem(network=network, images=images, goal=Goal(labels=labels))


def toward(network: torch.nn.Module, images: torch.Tensor) -> Problem:
    """The problem of reaching the class after the one each image has."""
    with torch.no_grad():
        logits = network(images)
    return Problem(network=network, images=images, goal=Goal(labels=(logits.argmax(1) + 1) % logits.shape[1], targeted=True))


@pytest.fixture(scope="session")
def mini(registry: Registry) -> Subject:
    """The network in the box with its own classifier."""
    return make_subject("mini", registry)


@pytest.fixture(scope="session")
def mini_pixels(mini: Subject) -> torch.nn.Module:
    """The same from pictures in [0, 1] to logits."""
    return PixelNetwork(mini).eval()


@pytest.fixture(scope="session")
def small_pictures(registry: Registry) -> torch.Tensor:
    """Six pictures of drawn shapes at the size of the network in the box."""
    height, width = registry.backbone("mini").info.preprocess.image_size
    drawn = [draw_shape(shape, seed, (width, height)) for seed in range(2) for shape in ("circle", "square", "bar")]
    return torch.tensor(np.stack([np.asarray(image) for image in drawn]).transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
