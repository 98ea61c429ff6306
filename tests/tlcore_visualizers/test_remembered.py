"""What normalisations remember, against known statistics."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from tlcore import Subject
from tlcore_visualizers.folded import folded
from tlcore_visualizers.remembered import Memory, Remembered, moments, places


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
    (place,) = places(torch.nn.BatchNorm2d(3, eps=0.0).eval(), {})
    given = moments(maps(deviation=deviation, mean=mean))
    assert float(
        Memory.of([place.memory] * 2).distance(*(torch.cat([moment, moment], 1) for moment in given))
    ) == pytest.approx(expected, rel=0.02)


def strangeness(network: torch.nn.Module, pixels: torch.Tensor, norms: dict[str, torch.nn.BatchNorm2d]) -> list[float]:
    """How far an image is from what is remembered, turn by turn."""
    remembered, found = Remembered(places(network, norms), 1.0), []
    with remembered.listening(), torch.no_grad():
        for _ in range(6):
            network(pixels)
            found.append(float(remembered.loss()))
    return found


def test_noise_is_stranger_to_a_network_than_a_photo(mini: Subject, photo: Image.Image) -> None:
    inputs = torch.from_numpy(mini.preprocess.normalise(mini.preprocess.pixels(photo)[None]))
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(0))
    of_photo, of_noise = (strangeness(mini.network, given, {}) for given in (inputs, noise))
    assert len(set(of_photo)) == 6  # each turn looks at other layers
    assert sum(of_noise) > 1.5 * sum(of_photo)


def test_a_folded_copy_answers_and_remembers_the_same(mini: Subject, photo: Image.Image) -> None:
    inputs = torch.from_numpy(mini.preprocess.normalise(mini.preprocess.pixels(photo)[None]))
    light, norms = folded(mini.network, mini.preprocess.image_size)
    assert len(norms) > 5
    assert len(places(light, norms)) == len(places(mini.network, {}))
    with torch.inference_mode():
        torch.testing.assert_close(light(inputs), mini.network(inputs), atol=1e-3, rtol=1e-3)
    assert sum(strangeness(light, inputs, norms)) == pytest.approx(sum(strangeness(mini.network, inputs, {})), rel=0.05)


class AlsoBefore(torch.nn.Module):
    """What its normalisation is given is used too, so that it cannot be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)
        torch.nn.init.constant_(self.norm.weight, 3.0)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(inputs)
        answer: torch.Tensor = (maps + self.norm(maps)).mean((2, 3))
        return answer


def test_a_network_that_would_answer_otherwise_is_not_folded() -> None:
    network = AlsoBefore().eval()
    assert folded(network, (8, 8)) == (network, {})
    assert len(places(network, {})) == 1


def test_a_channel_that_is_switched_off_counts_for_nothing() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2)).eval()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([2.0, 0.0]))  # type: ignore[union-attr, operator]
    (place,) = places(*folded(network, (4, 4)))
    assert place.memory.share.tolist() == [1.0, 0.0]
    assert place.memory.variance.tolist() == [4.0, 1.0]


def test_nothing_is_remembered_or_left_behind(mini: Subject) -> None:
    assert not places(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4, track_running_stats=False)), {})
    for network, weight in ((torch.nn.Conv2d(3, 4, 1), 5.0), (mini.network, 0.0)):
        remembered = Remembered(places(network, {}), weight)
        with remembered.listening(), torch.no_grad():
            network(torch.zeros(1, 3, 128, 128))
            assert float(remembered.loss()) == 0
    with Remembered(places(mini.network, {}), 1.0).listening():
        pass
    assert not any(place.module._forward_hooks for place in places(mini.network, {}))
