"""Bisection of each image's own number."""

from __future__ import annotations

import pytest
import torch

from tests.tlcore_visualizers.adversarial.conftest import Affine, away, grey_images
from tlcore.progress import silent
from tlcore_visualizers.adversarial.attack import Best
from tlcore_visualizers.adversarial.bracket import Bracket
from tlcore_visualizers.adversarial.minimal import MinimalEpsilon


def test_it_closes_around_where_each_image_falls() -> None:
    falls_at = torch.tensor([0.3, 5.0, 70.0])
    bracket = Bracket(low=torch.zeros(3), high=torch.full((3,), torch.inf))
    rows, tried = torch.arange(3), torch.ones(3)
    for _ in range(20):
        bracket.narrow(rows, tried >= falls_at, tried)
        tried = bracket.next(2.0)
    torch.testing.assert_close(bracket.high, falls_at, atol=1e-3, rtol=1e-3)


def test_what_is_at_the_goal_needs_no_change(affine: Affine) -> None:
    problem = away(affine, grey_images(2))
    problem.goal.labels[0] = (problem.goal.labels[0] + 1) % 3  # it is away from that already
    best = Best(problem.images)
    bracket = Bracket.around(problem, best)
    assert bracket.high.tolist() == [0.0, torch.inf]
    assert best.cost[0] == 0


def test_an_interrupted_search_keeps_what_its_descent_found(affine: Affine, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = away(affine, grey_images(2))

    def interrupted(settings: object, part: object, found: Best, ball: object, rows: torch.Tensor, start: object) -> None:
        found.offer(rows, problem.images + 0.1, torch.full((2,), -1.0))
        raise KeyboardInterrupt

    monkeypatch.setattr("tlcore_visualizers.adversarial.minimal.descend", interrupted)
    best = Best(problem.images)
    with pytest.raises(KeyboardInterrupt):
        MinimalEpsilon(first=0.5).compute(problem, best, generator=torch.Generator(), progress=silent)
    assert best.success.all()
    torch.testing.assert_close(best.images, problem.images + 0.1)
