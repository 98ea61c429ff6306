"""Carlini and Wagner's attack: the smallest L2 change, by optimising change and misclassification together."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import length
from tlcore_visualizers.adversarial.bracket import Bracket
from tlcore_visualizers.adversarial.problem import Problem

_INSIDE = 1 - 1e-6
"""How far toward black and white the change of variable reaches: their hyperbolic arctangent is infinite."""


@dataclass(frozen=True, kw_only=True)
class CarliniWagner(Attack):
    """Minimise ``|change|^2 + weight * max(margin, 0)`` by Adam, searching each image's weight by bisection.

    Source: Carlini and Wagner 2017, Towards evaluating the robustness of neural networks (arXiv 1608.04644), section VI-A,
        with its change of variable by the hyperbolic tangent, which keeps pixels in [0, 1].

    Attributes:
        steps: of Adam for each weight; the paper's implementation takes up to 10,000, its effect saturates early.
        searches: how many weights are tried.
        first_weight: where the search begins.
        rate: of Adam.
    """

    steps: int = 100
    searches: int = 5
    first_weight: float = 1.0
    rate: float = 0.01

    def ball(self, problem: Problem) -> None:
        return None

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        bracket = Bracket.around(problem, best)
        rows = best.open_rows
        if len(rows) == 0:
            return
        part = problem.rows(rows)
        weight = torch.full((len(problem.images),), self.first_weight)
        for search in range(self.searches):
            fooled = self._optimise(part, best, rows, weight[rows], progress, search)
            bracket.narrow(rows, fooled, weight[rows])
            weight = bracket.next(10.0)
        progress(ProgressEvent("carlini-wagner", self.steps * self.searches, self.steps * self.searches))

    def _optimise(
        self, part: Problem, best: Best, rows: torch.Tensor, weight: torch.Tensor, progress: Progress, search: int
    ) -> torch.Tensor:
        """Run Adam with each image's weight; return which images were fooled at some step."""
        free = torch.atanh((part.images * 2 - 1) * _INSIDE).requires_grad_(True)
        optimiser = torch.optim.Adam([free], lr=self.rate)
        fooled = torch.zeros(len(rows), dtype=torch.bool)
        for step in range(self.steps):
            progress(ProgressEvent("carlini-wagner", search * self.steps + step, self.steps * self.searches))
            with torch.enable_grad():
                changed = (torch.tanh(free) + 1) / 2
                images = part.images + (changed - part.images) * part.changeable
                margin = part.goal.margin(part.network(images))
                distance = (images - part.images).square().flatten(1).sum(1)
                cost = distance + weight * margin.clamp_min(0)
                (gradient,) = torch.autograd.grad(cost.sum(), free)
            best.steps[rows] += 1
            best.offer(rows, images.detach(), margin.detach(), length(images.detach() - part.images, "l2"))
            fooled |= margin.detach() < 0
            free.grad = gradient
            optimiser.step()
        return fooled
