"""The plain way to fool a network: descend on the pixels, with nothing that holds them near the original."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.problem import Problem


@dataclass(frozen=True, kw_only=True)
class PixelDescent(Attack):
    """Gradient descent on the pixels with the cross-entropy, as one would write it first: no projection, no epsilon.

    It shows what projection is for: the change grows as large as it likes, values leave [0, 1] on the way, and saving the
    picture cuts them off. `tl adversarial` states the norm it reaches.

    Attributes:
        rate: what the gradient is multiplied by.
        steps: at most.
        confidence: probability of the goal at which an image stops, in (0, 1): of the target, or of all other classes.
    """

    rate: float = 1.0
    steps: int = 200
    confidence: float = 0.99

    def ball(self, problem: Problem) -> None:
        return None

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        images = problem.images.clone()
        rows = torch.arange(len(images))
        for step in range(self.steps):
            progress(ProgressEvent("descent", step, self.steps))
            goal = problem.goal.rows(rows)
            logits, _, gradient = problem.gradient(images[rows], partial(goal.objective, loss="cross-entropy"))
            best.steps[rows] += 1
            best.offer(rows, images[rows], goal.margin(logits))
            named = logits.softmax(1).gather(1, goal.labels[:, None]).squeeze(1)
            left = (named if goal.targeted else 1 - named) < self.confidence
            if not left.any():
                break
            rows = rows[left]
            images[rows] += self.rate * gradient[left] * problem.changeable[rows]
        progress(ProgressEvent("descent", self.steps, self.steps))
