"""Projected gradient descent: many small steps, each brought back into the ball."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from tlcore.epsilon import Norm
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball, of_each
from tlcore_visualizers.adversarial.goal import Loss
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.restarts import search_again


@dataclass(frozen=True, kw_only=True)
class ProjectedGradient(Attack):
    """Steps along the gradient, projected; each image stops as soon as it fools the network.

    Sources: Madry et al. 2018, Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083);
        without random start the basic iterative method of Kurakin et al. 2017 (arXiv 1607.02533); with momentum Dong et
        al. 2018, Boosting adversarial attacks with momentum (arXiv 1710.06081). Where we deviate: images that are fooled
        leave the batch, and a step's success is read from the logits of the next step's gradient, so that n steps cost n
        gradients and one more forward pass.

    Attributes:
        epsilon: of the ball, in units of pixel values.
        norm: what the ball is measured by.
        steps: how many, for each restart.
        step_size: as a share of epsilon.
        momentum: share of the earlier gradients kept, 0 for none.
        restarts: how often to begin again from another random place, with the images not fooled yet.
        random_start: whether to begin the first time at a random place of the ball rather than at the image.
        loss: what the gradient is taken of.
    """

    epsilon: float
    norm: Norm = "linf"
    steps: int = 40
    step_size: float = 0.15
    momentum: float = 0.0
    restarts: int = 0
    random_start: bool = True
    loss: Loss = "cross-entropy"

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(self.epsilon, self.norm)

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        def search(restart: int, rows: torch.Tensor, progress: Progress) -> None:
            ball = self.ball(problem).rows(rows)
            start = ball.random(generator) if self.random_start or restart else ball.origin
            descend(self, problem, best, ball, rows, start, progress=progress)

        search_again(best, search, stage="pgd", restarts=self.restarts, steps=self.steps, progress=progress)


def descend(
    settings: ProjectedGradient,
    problem: Problem,
    best: Best,
    ball: Ball,
    rows: torch.Tensor,
    start: torch.Tensor,
    *,
    progress: Progress = silent,
) -> None:
    """Run one descent of some of the images, each within a ball of its own, and offer what it finds.

    Args:
        settings: steps, step size, momentum and loss; the radius is the ball's.
        problem: of all images.
        best: of all images.
        ball: of the images that `rows` names.
        rows: which images, (rows,) int64.
        start: where each begins, (rows, 3, height, width).
        progress: told the steps done.
    """
    images, goal = start.contiguous(memory_format=torch.channels_last), problem.goal.rows(rows)
    velocity = torch.zeros_like(images)
    for step in range(settings.steps):
        progress(ProgressEvent("pgd", step, settings.steps))
        logits, _, gradient = problem.gradient(images, partial(goal.objective, loss=settings.loss))
        best.steps[rows] += 1
        margin = goal.margin(logits)
        best.offer(rows, images, margin)
        left = (margin >= 0).nonzero().flatten()
        if len(left) == 0:
            return
        if len(left) < len(rows):
            rows, goal, ball, images = rows[left], goal.rows(left), ball.rows(left), images[left]
            gradient, velocity = gradient[left], velocity[left]
        if settings.momentum:
            velocity = settings.momentum * velocity + gradient / of_each(gradient.abs().flatten(1).mean(1)).clamp_min(1e-20)
            gradient = velocity
        images = ball.step(images, gradient, settings.step_size * ball.epsilon)
    best.offer(rows, images, goal.margin(problem.logits(images)))
