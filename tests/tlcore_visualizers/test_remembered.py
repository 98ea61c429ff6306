"""What normalisations remember, against known statistics."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from tlcore import Subject
from tlcore_visualizers.pixel_network import PixelNetwork, to_tensor
from tlcore_visualizers.remembered import Memory, Remembered, moments, normalisations


def maps(*, deviation: float = 1.0, mean: float = 0.0) -> torch.Tensor:
    values = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    standard = (values - values.mean((2, 3), keepdim=True)) / values.std((2, 3), correction=0, keepdim=True)
    return (deviation * standard + mean).contiguous(memory_format=torch.channels_last)


def test_moments_and_their_gradients_are_torch_s() -> None:
    ours = maps(deviation=2.0, mean=3.0).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    weights = torch.arange(6.0).reshape(2, 3)
    (mean, square), expected = moments(ours), (theirs.mean((2, 3)), (theirs**2).mean((2, 3)))
    torch.testing.assert_close((mean, square), expected)
    (got,) = torch.autograd.grad((weights * mean + square**2).sum(), ours)
    (wanted,) = torch.autograd.grad((weights * expected[0] + expected[1] ** 2).sum(), theirs)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    ("deviation", "mean", "expected"),
    [(1.0, 0.0, 0.0024), (10.0, 0.0, 21.2), (0.0, 0.0, 8.97), (1.0, 2.0, 6.62), (1.0, 100.0, 134.8)],
    ids=["as remembered", "ten times as strong", "still", "shifted", "very far"],
)
def test_distances_of_known_maps(deviation: float, mean: float, expected: float) -> None:
    layer = torch.nn.BatchNorm2d(3, eps=0.0).eval()
    given = moments(maps(deviation=deviation, mean=mean))
    assert float(Memory.of([layer, layer]).distance(*(torch.cat([moment, moment], 1) for moment in given))) == pytest.approx(
        expected, rel=0.02
    )


def test_noise_is_stranger_to_a_network_than_a_photo(mini: Subject, photo: Image.Image) -> None:
    network = PixelNetwork(mini)
    height, width = mini.preprocess.image_size
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    found = {}
    for name, pixels in (("photo", to_tensor(mini.preprocess.pixels(photo)[None])), ("noise", noise)):
        remembered = Remembered(mini.network, 1.0)
        with remembered.listening(), torch.no_grad():
            turns = []
            for _ in range(3):
                network(pixels)
                turns.append(float(remembered.loss()))
        found[name] = sum(turns)
        assert len(set(turns)) == 3  # each turn looks at other layers
    assert found["noise"] > 1.5 * found["photo"]


def test_nothing_is_remembered_or_left_behind(mini: Subject) -> None:
    assert not normalisations(
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4, track_running_stats=False))
    )
    for network, weight in ((torch.nn.Conv2d(3, 4, 1), 5.0), (mini.network, 0.0)):
        remembered = Remembered(network, weight)
        with remembered.listening(), torch.no_grad():
            network(torch.zeros(1, 3, 128, 128))
            assert float(remembered.loss()) == 0
    remembered = Remembered(mini.network, 1.0)
    with remembered.listening():
        pass
    assert not any(layer._forward_pre_hooks for layer in normalisations(mini.network))
