"""The fast gradient sign method: one step as long as epsilon allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from tlcore.epsilon import Norm
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball
from tlcore_visualizers.adversarial.goal import Loss
from tlcore_visualizers.adversarial.problem import Problem


@dataclass(frozen=True, kw_only=True)
class FastGradient(Attack):
    """One step along the gradient's sign (Linf) or the gradient itself (L2).

    Source: Goodfellow et al. 2015, Explaining and harnessing adversarial examples (arXiv 1412.6572); targeted after
        Kurakin et al. 2017.

    Attributes:
        epsilon: the step, in units of pixel values.
        norm: what it is measured by.
        loss: what the gradient is taken of.
    """

    epsilon: float
    norm: Norm = "linf"
    loss: Loss = "cross-entropy"

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(self.epsilon, self.norm)

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        ball = self.ball(problem)
        rows = torch.arange(len(problem.images))
        logits, _, gradient = problem.gradient(problem.images, partial(problem.goal.objective, loss=self.loss))
        best.offer(rows, problem.images, problem.goal.margin(logits))
        stepped = ball.step(problem.images, gradient, ball.epsilon)
        best.steps += 1
        best.offer(rows, stepped, problem.goal.margin(problem.logits(stepped)))
        progress(ProgressEvent("fgsm", 1, 1))
