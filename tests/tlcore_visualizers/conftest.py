"""What tests of visualizers share: the network in the box, a photo that may be shown, and small networks of known answers."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from tlcore import Registry, Subject
from tlcore.preprocess import Preprocess
from tlcore.subject import make_subject


@pytest.fixture(scope="session")
def mini(registry: Registry) -> Subject:
    return make_subject("mini", registry)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A dahlia, 640 x 427."""
    return Image.fromarray(load_sample_image("flower.jpg"))


class RedNetwork(torch.nn.Module):
    """Two classes: what is clearly red, and what is not; a convolution of two channels, the second constant, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 2, 1)
        self.relu = torch.nn.ReLU(inplace=True)
        with torch.no_grad():
            self.convolution.weight.copy_(torch.tensor([[1.0, -0.5, -0.5], [0.0, 0.0, 0.0]]).view(2, 3, 1, 1))
            self.convolution.bias.copy_(torch.tensor([-0.3, 0.02]))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 60 * self.relu(self.convolution(inputs)).mean((2, 3))


def subject_of(network: torch.nn.Module, *, size: int = 56) -> Subject:
    preprocess = Preprocess(image_size=(size, size), crop_fraction=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Subject(name="small", network=network.eval(), preprocess=preprocess, class_names=("red", "other"))


@pytest.fixture
def red() -> Subject:
    return subject_of(RedNetwork())


@pytest.fixture
def red_square() -> Image.Image:
    """A red square of a quarter's side in the upper left of a grey picture."""
    image = Image.new("RGB", (112, 112), (120, 120, 120))
    image.paste((220, 30, 30), (14, 14, 42, 42))
    return image
