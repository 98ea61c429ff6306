"""DeepFool: step to the nearest boundary of the network taken as linear, again and again."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tlcore.epsilon import Norm
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import length, of_each
from tlcore_visualizers.adversarial.problem import Problem


@dataclass(frozen=True, kw_only=True)
class DeepFool(Attack):
    """The smallest change that crosses a boundary, by linearising the network around each step.

    Source: Moosavi-Dezfooli et al. 2016, DeepFool: a simple and accurate method to fool deep neural networks
        (arXiv 1511.04599), algorithm 2; Linf by its equations 11 and 12. A targeted attack looks at the one boundary to the
        target.

    Attributes:
        norm: which distance is to be small.
        steps: at most.
        candidates: how many of the likeliest other classes are looked at; each costs a gradient a step.
        overshoot: by what share the sum of the steps is lengthened to end beyond the boundary.
    """

    norm: Norm = "l2"
    steps: int = 50
    candidates: int = 9
    overshoot: float = 0.02

    def ball(self, problem: Problem) -> None:
        return None

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        rows = torch.arange(len(problem.images))
        logits = problem.logits(problem.images)
        best.offer(rows, problem.images, problem.goal.margin(logits))
        pairs = self._pairs(problem, logits)
        total = torch.zeros_like(problem.images)
        for step in range(self.steps):
            progress(ProgressEvent("deepfool", step, self.steps))
            rows = best.open_rows
            if len(rows) == 0:
                break
            images = (problem.images[rows] + (1 + self.overshoot) * total[rows]).clamp(0, 1)
            shift = self._nearest(problem.rows(rows), images, pairs[:, rows])
            best.steps[rows] += pairs.shape[2]
            total[rows] += shift * problem.changeable[rows]
            moved = (problem.images[rows] + (1 + self.overshoot) * total[rows]).clamp(0, 1)
            margin = problem.goal.rows(rows).margin(problem.logits(moved))
            best.offer(rows, moved, margin, length(moved - problem.images[rows], self.norm))
        progress(ProgressEvent("deepfool", self.steps, self.steps))

    def _pairs(self, problem: Problem, logits: torch.Tensor) -> torch.Tensor:
        """Return which class is to lose to which, (2, images, candidates): the loser, the winner."""
        labels = problem.goal.labels
        if problem.goal.targeted:
            return torch.stack([logits.argmax(1)[:, None], labels[:, None]])
        count = min(self.candidates, logits.shape[1] - 1)
        others = logits.scatter(1, labels[:, None], -torch.inf).topk(count, dim=1).indices
        return torch.stack([labels[:, None].expand_as(others), others])

    def _nearest(self, problem: Problem, images: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Return the smallest change that reaches a boundary of the network taken as linear at `images`."""
        if problem.goal.targeted:
            # The class to be overtaken is the likeliest now, which need not be the one at the start.
            leading = problem.logits(images).scatter(1, problem.goal.labels[:, None], -torch.inf).argmax(1)
            pairs = torch.stack([leading[:, None], pairs[1]])
        nearest = torch.full((len(images),), torch.inf)
        shift = torch.zeros_like(images)
        leaf = images.detach().requires_grad_(True)
        with torch.enable_grad():
            logits = problem.network(leaf)
            gaps = logits.gather(1, pairs[0]) - logits.gather(1, pairs[1])
        for column in range(gaps.shape[1]):
            (slope,) = torch.autograd.grad(-gaps[:, column].sum(), leaf, retain_graph=column + 1 < gaps.shape[1])
            distance, change = self._to_boundary(gaps[:, column].detach(), slope * problem.changeable)
            closer = distance < nearest
            nearest = torch.where(closer, distance, nearest)
            shift = torch.where(of_each(closer), change, shift)
        return shift

    def _to_boundary(self, gap: torch.Tensor, slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the distance and the way along a slope that closes a gap, and a hair more."""
        height = gap.abs() + 1e-4
        if self.norm == "linf":
            steep = slope.abs().flatten(1).sum(1).clamp_min(1e-12)
            return height / steep, of_each(height / steep) * slope.sign()
        steep = length(slope, "l2").clamp_min(1e-12)
        return height / steep, of_each(height / steep**2) * slope
