"""The smaller views that a picture begins with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tlcore import Registry, Subject, VisualizationRequest
from tlcore.testing.visualizers import small_subject
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.small_views import small_view_size

FIVE_OF_ANY_SIZE = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 5))


class Particular(torch.nn.Sequential):
    """A network that refuses other sizes, as vision transformers do."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.shape[2:] == (224, 224), "input size does not match"
        return super().forward(inputs)


class Counting(torch.nn.Sequential):
    """A network that notes the size of what it is given."""

    seen: tuple[tuple[int, ...], ...] = ()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen = (*self.seen, tuple(inputs.shape[2:]))
        return super().forward(inputs)


def subject(network: torch.nn.Module, size: tuple[int, int]) -> Subject:
    small = small_subject()
    return replace(small, network=network.eval(), preprocess=replace(small.preprocess, image_size=size))


@pytest.mark.parametrize(
    ("network", "size", "expected"),
    [
        (torch.nn.Sequential(*FIVE_OF_ANY_SIZE), (224, 224), (160, 160)),
        (torch.nn.Sequential(*FIVE_OF_ANY_SIZE), (300, 200), (224, 128)),
        (torch.nn.Sequential(*FIVE_OF_ANY_SIZE), (128, 128), (128, 128)),
        (torch.nn.Sequential(*FIVE_OF_ANY_SIZE), (64, 64), (64, 64)),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 5)), (224, 224), (224, 224)),
        (torch.nn.Sequential(torch.nn.Conv2d(3, 5, 32, 32), torch.nn.Flatten()), (224, 224), (224, 224)),
        (Particular(*FIVE_OF_ANY_SIZE), (224, 224), (224, 224)),
    ],
    ids=["any size", "oblong", "already small", "smaller", "one size alone", "other answers", "refuses"],
)
def test_only_networks_that_take_smaller_views_get_them(
    network: torch.nn.Module, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert small_view_size(PixelNetwork(subject(network, size))) == expected


@pytest.mark.parametrize(("options", "small"), [({}, 3), ({"small_views": 1.0}, 6), ({"small_views": 0.0}, 0)])
def test_the_first_steps_see_smaller_views(registry: Registry, options: dict[str, float], small: int) -> None:
    network = Counting(*FIVE_OF_ANY_SIZE)
    visualizer = registry.visualizer("ideal", {"steps": 6, **options})
    visualizer.visualize(subject(network, (224, 224)), VisualizationRequest(classes=(1,)))
    first = [size for size in network.seen if len(size) == 2]
    tried = 2 if options.get("small_views") != 0.0 else 0  # whether it takes the smaller size
    assert first[tried : tried + 6] == [(160, 160)] * small + [(224, 224)] * (6 - small)
