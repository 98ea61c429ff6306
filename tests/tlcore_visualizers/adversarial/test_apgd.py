from __future__ import annotations

import pytest
import torch

from tests.tlcore_visualizers.adversarial.conftest import Affine, away, grey_images, toward
from tlcore_visualizers.adversarial.apgd import AutoProjectedGradient, checkpoints
from tlcore_visualizers.adversarial.goal import Goal


@pytest.mark.parametrize(
    "steps, expected", [(100, [22, 41, 57, 70, 80, 87, 93, 99]), (10, [2, 3, 4, 5, 6, 7, 8, 9, 10]), (1, [1])]
)
def test_checkpoints_are_the_paper_s(steps: int, expected: list[int]) -> None:
    assert checkpoints(steps) == expected


def test_difference_of_logits_ratio_is_the_paper_s() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, -1.0], [0.0, 4.0, 2.0, 1.0]])
    away_loss = Goal(labels=torch.tensor([0, 0])).objective(logits, "dlr")
    assert torch.allclose(away_loss, torch.tensor([-(3.0 - 2.0) / (3.0 - 1.0), -(0.0 - 4.0) / (4.0 - 1.0)]))
    toward_loss = Goal(labels=torch.tensor([1, 2]), targeted=True).objective(logits, "dlr")
    assert torch.allclose(
        toward_loss, torch.tensor([-(3.0 - 1.0) / (3.0 - (1.0 - 1.0) / 2), -(4.0 - 2.0) / (4.0 - (1.0 + 0.0) / 2)])
    )


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("make", [away, toward], ids=["away", "toward"])
def test_ratio_has_a_slope_however_few_classes(classes: int, make: object) -> None:
    network = Affine(classes=classes).eval()
    problem = make(network, grey_images())  # type: ignore[operator]
    result = AutoProjectedGradient(epsilon=20 / 255, steps=15, loss="dlr").run(problem)
    assert bool(result.success.all())


def test_succeeds_exactly_where_the_boundary_is_near_enough() -> None:
    """On a linear network of two classes the distance of each image's boundary is known."""
    network = Affine(classes=2).eval()
    problem = away(network, grey_images(40))
    slope = (network.weight[0] - network.weight[1]).detach()
    known = network(problem.images).detach().diff(dim=1).abs().squeeze(1) / slope.abs().sum()
    epsilon = float(known.median())
    result = AutoProjectedGradient(epsilon=epsilon + 1e-5, steps=30).run(problem, saved=False)
    assert torch.equal(result.success, known <= epsilon)


def test_restarts_only_concern_images_not_fooled() -> None:
    network = Affine(classes=2).eval()
    result = AutoProjectedGradient(epsilon=1 / 255, steps=5, restarts=2).run(away(network, grey_images(40)), saved=False)
    assert int(result.steps[result.success].min()) <= 6 and int(result.steps[~result.success].min()) == 18
