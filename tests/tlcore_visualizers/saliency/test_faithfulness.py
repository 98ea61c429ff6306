from __future__ import annotations

import numpy as np
import pytest
import torch

from tlcore import Subject
from tlcore_visualizers.saliency.faithfulness import faithfulness


class Certain(torch.nn.Module):
    """The same answer to everything: 3 to 1 for the first class."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[3.0, 1.0]]).log().repeat(len(inputs), 1)


def test_a_network_that_does_not_look_keeps_its_probability() -> None:
    scores = faithfulness(
        Certain(), torch.ones(1, 3, 16, 16), np.random.default_rng(0).random((16, 16), np.float32), 0, steps=4
    )
    assert scores.deletion == pytest.approx(0.75)
    assert scores.insertion == pytest.approx(0.75)
    assert len(scores.deletion_curve) == len(scores.insertion_curve) == 5


def test_a_right_map_beats_a_wrong_one(red: Subject) -> None:
    inputs = torch.full((1, 3, 56, 56), -0.1)
    inputs[0, 0, 7:21, 7:21], inputs[0, 1:, 7:21, 7:21] = 0.7, -0.8
    right = np.zeros((56, 56), np.float32)
    right[7:21, 7:21] = 1
    good, bad = (faithfulness(red.network, inputs, values, 0, steps=16) for values in (right, -right))
    assert good.deletion < bad.deletion - 0.2
    assert good.insertion > bad.insertion + 0.01  # a little blur leaves most of the square red


def test_curves_run_from_the_image_to_nothing_and_from_blur_to_the_image(red: Subject) -> None:
    inputs = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    scores = faithfulness(red.network, inputs, np.zeros((56, 56), np.float32), 0, steps=7)
    with torch.no_grad():
        whole, nothing = red.network(torch.cat([inputs, torch.zeros_like(inputs)])).softmax(1)[:, 0].tolist()
    assert scores.deletion_curve[0] == pytest.approx(whole)
    assert scores.deletion_curve[-1] == pytest.approx(nothing)
    assert scores.insertion_curve[-1] == pytest.approx(whole)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_smallest_inputs(size: int) -> None:
    scores = faithfulness(Certain(), torch.ones(1, 3, size, size), np.ones((size, size), np.float32), 1, steps=3)
    assert scores.deletion == pytest.approx(0.25)
