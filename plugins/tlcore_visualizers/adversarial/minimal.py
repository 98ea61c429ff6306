"""The smallest epsilon at which each image falls, by bisection."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tlcore.epsilon import LEVELS, Norm
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball, length, of_each
from tlcore_visualizers.adversarial.bracket import Bracket
from tlcore_visualizers.adversarial.pgd import ProjectedGradient, descend
from tlcore_visualizers.adversarial.problem import Problem


@dataclass(frozen=True, kw_only=True)
class MinimalEpsilon(Attack):
    """Double each image's epsilon until projected gradient descent fools the network, then halve the interval.

    What is found is an upper bound of the true minimum: where the descent fails a smaller change may still exist.

    Attributes:
        largest: where to give an image up, in units of pixel values.
        norm: what epsilon is measured by.
        first: where to begin.
        tolerance: how closely to bisect.
        steps: of each descent.
    """

    largest: float = 1.0
    norm: Norm = "linf"
    first: float = 1 / LEVELS
    tolerance: float = 0.1 / LEVELS
    steps: int = 20

    def ball(self, problem: Problem) -> None:
        return None

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        bracket = Bracket.around(problem, best)
        radius = torch.full((len(problem.images),), min(self.first, self.largest))
        for done in range(_ROUNDS):
            progress(ProgressEvent("minimal epsilon", done, _ROUNDS))
            rows = ((bracket.high - bracket.low > self.tolerance) & (bracket.low < self.largest)).nonzero().flatten()
            if len(rows) == 0:
                break
            fooled = self._fooled(problem, best, rows, radius)
            bracket.narrow(rows, fooled, torch.where(fooled, radius[rows].minimum(best.cost[rows]), radius[rows]))
            radius = bracket.next(2.0).clamp(max=self.largest)
        progress(ProgressEvent("minimal epsilon", _ROUNDS, _ROUNDS))

    def _fooled(self, problem: Problem, best: Best, rows: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
        """Try each image at its radius; return which fell, and offer those to `best`."""
        part = problem.rows(rows)
        ball = part.ball(radius[rows], self.norm)
        found = Best(part.images)
        settings = ProjectedGradient(epsilon=self.largest, norm=self.norm, steps=self.steps)
        start = self._start(part, ball, best, rows)
        try:
            descend(settings, part, found, ball, torch.arange(len(rows)), start)
        finally:  # where it is interrupted, what was found until then is worth keeping
            best.steps[rows] += found.steps
            best.offer(rows, found.images, found.margin, length(found.images - part.images, self.norm))
        return found.success

    def _start(self, part: Problem, ball: Ball, best: Best, rows: torch.Tensor) -> torch.Tensor:
        """Begin at what fooled the network from further away, drawn nearer; at the original where nothing has."""
        fallen = of_each(best.success[rows])
        change = torch.where(fallen, best.images[rows] - part.images, torch.zeros_like(part.images))
        reach = length(change, self.norm).clamp_min(1e-12)
        return ball.project(part.images + change * of_each((ball.epsilon / reach).clamp_max(1.0)))


_ROUNDS = 20
"""Enough to double from one level to all of them and to bisect to a hundredth of a level."""
