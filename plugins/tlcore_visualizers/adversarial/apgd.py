"""Auto-PGD: projected gradient steps that choose their own size."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial

import torch

from tlcore.epsilon import Norm
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball, length, of_each
from tlcore_visualizers.adversarial.goal import Loss
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.restarts import search_again

STANDARD_STEPS = 100
"""What the paper and its reference implementation run; fewer is not the standard attack."""

QUICK_STEPS = 20

_MOMENTUM = 0.75
_LEAST_RISES = 0.75
"""Share of the steps between two checkpoints that must raise the objective, or the step size is halved."""


@dataclass(frozen=True, kw_only=True)
class AutoProjectedGradient(Attack):
    """Auto-PGD with the cross-entropy or the difference of logits ratio.

    Source: Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks (arXiv 2003.01690), algorithm 1. Where we deviate: images that are fooled leave the batch, which changes no
        robust accuracy.

    Attributes:
        epsilon: of the ball, in units of pixel values.
        norm: what the ball is measured by.
        steps: for each restart; 100 is the attack of the paper.
        restarts: how often to begin again with the images not fooled yet.
        loss: what is maximised.
    """

    epsilon: float
    norm: Norm = "linf"
    steps: int = STANDARD_STEPS
    restarts: int = 0
    loss: Loss = "cross-entropy"

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(self.epsilon, self.norm)

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        def search(restart: int, rows: torch.Tensor, progress: Progress) -> None:
            ball = self.ball(problem).rows(rows)
            self._search(problem, best, rows, ball, _start(ball, generator), progress)

        search_again(best, search, stage="apgd", restarts=self.restarts, steps=self.steps, progress=progress)

    def _search(
        self,
        problem: Problem,
        best: Best,
        rows: torch.Tensor,
        ball: Ball,
        start: torch.Tensor,
        progress: Progress,
    ) -> None:
        """Run from one start until every image is fooled or the steps are spent."""
        search = self._begin(problem, best, rows, start)
        marks = set(checkpoints(self.steps))
        for step in range(self.steps):
            progress(ProgressEvent("apgd", step, self.steps))
            left = (~best.success[search.rows]).nonzero().flatten()
            if len(left) == 0:
                return
            if len(left) < len(search.rows):
                search, ball = search.kept(left), ball.rows(left)
            self._step(problem, best, search, ball, first=step == 0)
            if step + 1 in marks:
                search.adapt(since=step + 1 - max((mark for mark in (0, *marks) if mark <= step), default=0))

    def _begin(self, problem: Problem, best: Best, rows: torch.Tensor, start: torch.Tensor) -> _Search:
        goal = problem.goal.rows(rows)
        logits, value, gradient = problem.gradient(start, partial(goal.objective, loss=self.loss))
        best.steps[rows] += 1
        best.offer(rows, start, goal.margin(logits))
        return _Search(
            rows=rows,
            images=start,
            before=start,
            gradient=gradient,
            value=value,
            top=start,
            top_gradient=gradient,
            top_value=value,
            checked_value=value,
            just_halved=torch.ones(len(rows), dtype=torch.bool),
            rises=torch.zeros(len(rows)),
            stride=torch.full((len(rows),), 2 * self.epsilon),
        )

    def _step(self, problem: Problem, best: Best, search: _Search, ball: Ball, *, first: bool) -> None:
        stepped = ball.step(search.images, search.gradient, search.stride)
        share = 1.0 if first else _MOMENTUM
        moved = search.images + share * (stepped - search.images) + (1 - share) * (search.images - search.before)
        search.before, search.images = search.images, ball.project(moved)
        goal = problem.goal.rows(search.rows)
        logits, value, search.gradient = problem.gradient(search.images, partial(goal.objective, loss=self.loss))
        best.steps[search.rows] += 1
        best.offer(search.rows, search.images, goal.margin(logits))
        search.note(value)


@dataclass
class _Search:
    """Where each image's search stands; every attribute has one entry an image still searched."""

    rows: torch.Tensor
    images: torch.Tensor
    before: torch.Tensor
    gradient: torch.Tensor
    value: torch.Tensor
    top: torch.Tensor
    top_gradient: torch.Tensor
    top_value: torch.Tensor
    checked_value: torch.Tensor
    just_halved: torch.Tensor
    rises: torch.Tensor
    stride: torch.Tensor

    def kept(self, index: torch.Tensor) -> _Search:
        """Return the search of some of the images."""
        return _Search(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    def note(self, value: torch.Tensor) -> None:
        """Remember an objective: whether it rose, and whether it is the highest yet."""
        self.rises += value > self.value
        self.value = value
        better = value > self.top_value
        self.top = torch.where(of_each(better), self.images, self.top)
        self.top_gradient = torch.where(of_each(better), self.gradient, self.top_gradient)
        self.top_value = torch.where(better, value, self.top_value)

    def adapt(self, since: int) -> None:
        """Halve the step and return to the best place where too few steps rose, or nothing was gained since last time."""
        few = self.rises <= _LEAST_RISES * since
        stuck = ~self.just_halved & (self.checked_value >= self.top_value)
        halve = few | stuck
        self.stride = torch.where(halve, self.stride / 2, self.stride)
        self.images = torch.where(of_each(halve), self.top, self.images)
        self.gradient = torch.where(of_each(halve), self.top_gradient, self.gradient)
        self.just_halved, self.checked_value = halve, self.top_value
        self.rises = torch.zeros_like(self.rises)


def checkpoints(steps: int) -> list[int]:
    """Return after which steps the step size is looked at: intervals of 22 % of the steps, each 3 % shorter, at least 6 %.

    >>> checkpoints(100)
    [22, 41, 57, 70, 80, 87, 93, 99]
    """
    interval = max(math.floor(0.22 * steps), 1)
    shorter, least = max(math.floor(0.03 * steps), 1), max(math.floor(0.06 * steps), 1)
    marks = [interval]
    while True:
        interval = max(interval - shorter, least)
        if marks[-1] + interval > steps:
            return marks
        marks.append(marks[-1] + interval)


def _start(ball: Ball, generator: torch.Generator) -> torch.Tensor:
    """Return a random place on the ball's surface, where the paper's implementation begins."""
    if ball.norm == "linf":
        change = torch.rand(ball.origin.shape, generator=generator) * 2 - 1
    else:
        change = torch.randn(ball.origin.shape, generator=generator)
    change = change * ball.mask
    return ball.project(ball.origin + of_each(ball.epsilon / length(change, ball.norm).clamp_min(1e-12)) * change)
