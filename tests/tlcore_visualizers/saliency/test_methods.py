from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tlcore import Subject
from tlcore_visualizers.borrowed import borrowed
from tlcore_visualizers.layers import find_layers
from tlcore_visualizers.saliency import METHODS, ExplainOptions
from tlcore_visualizers.saliency.activation import activation_layer, grad_cam
from tlcore_visualizers.saliency.attribution import integrated_gradients, smooth_gradient
from tlcore_visualizers.saliency.explanation import explain
from tlcore_visualizers.saliency.log_odds import log_odds


@pytest.mark.parametrize("method", METHODS)
def test_what_speaks_for_red_is_the_red_square(method: str, red: Subject, red_square: Image.Image) -> None:
    (explanation,) = explain(red, red_square, options=ExplainOptions(method=method), target=0)
    positive = explanation.values.clip(0, None)
    inside = positive[7:21, 7:21].sum() / positive.sum()
    assert positive.shape == (56, 56)
    assert inside > {"occlusion": 0.5, "smooth-grad": 0.25}.get(method, 0.9)  # the square is a sixteenth of the picture
    assert explanation.scores is not None


@pytest.mark.parametrize("method", ["grad-cam", "occlusion"])
def test_the_red_square_does_not_speak_for_the_other_class(method: str, red: Subject, red_square: Image.Image) -> None:
    (explanation,) = explain(red, red_square, options=ExplainOptions(method=method), target=1)
    assert explanation.values[10:18, 10:18].max() <= 0 + 1e-6


def test_grad_cam_is_the_weighted_sum_of_channels(red: Subject) -> None:
    inputs = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    network = red.network
    with borrowed(network):
        layer = activation_layer(network, find_layers(network, (56, 56)), (56, 56))
        values = grad_cam(network, inputs, 0, layer)
        channels = network.convolution(inputs).relu()[0]  # type: ignore[operator]
    assert layer.name == "relu"
    torch.testing.assert_close(values, (60 / 56**2 * (channels[0] - channels[1])).relu().detach())


def test_integrated_gradients_add_up_to_what_they_explain(mini: Subject, photo: Image.Image) -> None:
    inputs = torch.from_numpy(mini.preprocess.normalise(mini.preprocess.pixels(photo)[None]))
    black = torch.from_numpy(mini.preprocess.normalise(np.zeros((1, 1, 1, 3), np.uint8)))
    with borrowed(mini.network):
        logits = mini.network(torch.cat([inputs, black.expand_as(inputs)])).detach()
        target = int(logits[0].argmax())
        values = integrated_gradients(mini.network, inputs, target, black=black)
    both = log_odds(logits, target)
    assert float(values.sum()) == pytest.approx(float(both[0] - both[1]), rel=0.1)


def test_smooth_gradient_goes_by_its_seed_alone(red: Subject) -> None:
    inputs = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    before = torch.random.get_rng_state()
    with borrowed(red.network):
        first, again, other = (smooth_gradient(red.network, inputs, 0, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_log_odds_do_not_see_what_all_classes_share() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 3.0, 0.1]])
    torch.testing.assert_close(log_odds(logits, 1), log_odds(logits - 100, 1), rtol=1e-4, atol=1e-4)
    probability = logits.softmax(1)[:, 1]
    torch.testing.assert_close(log_odds(logits, 1), (probability / (1 - probability)).log())
