"""One change that fools the network on many images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from tlcore.epsilon import LEVELS
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.problem import Problem

_ENOUGH = 5.0
"""Logits by which an image may be fooled before it stops pulling at the change."""


@dataclass(frozen=True, kw_only=True)
class UniversalPerturbation(Attack):
    """One Linf change of whole levels, the same for every image, found by signed gradient steps on batches of them.

    Sources: Moosavi-Dezfooli et al. 2017, Universal adversarial perturbations (arXiv 1610.08401), found as in Shafahi et al.
        2020, Universal adversarial training (arXiv 1811.11304), with a loss that stops at images already fooled.

    Attributes:
        epsilon: largest change of a pixel.
        epochs: how often each image is looked at.
        step_size: as a share of epsilon; shrinks to nothing over the epochs.
        batch: images for each step.
    """

    repairable: ClassVar[bool] = False

    epsilon: float
    epochs: int = 20
    step_size: float = 0.25
    batch: int = 8

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(self.epsilon, "linf")

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        change = torch.zeros_like(problem.images[:1])
        for epoch in range(self.epochs):
            progress(ProgressEvent("universal", epoch, self.epochs))
            stride = self.step_size * self.epsilon * (1 - epoch / self.epochs)
            for rows in self._batches(len(problem.images), generator):
                goal = problem.goal.rows(rows)
                _, _, gradient = problem.gradient(
                    (problem.images[rows] + change).clamp(0, 1),
                    partial(_bounded, goal),
                )
                pull = (gradient * problem.changeable[rows]).sum(0, keepdim=True).sign()
                change = (change + stride * pull).clamp(-self.epsilon, self.epsilon)
                best.steps[rows] += 1
            self._offer(problem, best, change)
        progress(ProgressEvent("universal", self.epochs, self.epochs))

    def _batches(self, count: int, generator: torch.Generator) -> list[torch.Tensor]:
        order = torch.randperm(count, generator=generator)
        return [order[start : start + self.batch] for start in range(0, count, self.batch)]

    def _offer(self, problem: Problem, best: Best, change: torch.Tensor) -> None:
        """Offer the images with a change, all or none: the one change that fools most of them is kept."""
        whole = (change * LEVELS).round().clamp(-_levels(self.epsilon), _levels(self.epsilon)) / LEVELS
        images = (problem.images + whole * problem.changeable).clamp(0, 1)
        margin = problem.goal.margin(problem.logits(images))
        if int((margin < 0).sum()) >= int(best.success.sum()) or best.margin.isinf().any():
            best.images, best.margin, best.cost = images, margin, margin


def _bounded(goal: Goal, logits: torch.Tensor) -> torch.Tensor:
    return -goal.margin(logits).clamp_min(-_ENOUGH)


def _levels(epsilon: float) -> int:
    return int(epsilon * LEVELS + 1e-6)
