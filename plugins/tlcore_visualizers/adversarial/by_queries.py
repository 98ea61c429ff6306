"""The Square attack on a torch network, asked for answers only: the same as on an exported file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tlcore.epsilon import LEVELS
from tlcore.progress import Progress
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.square import SquareAttack, SquareResult
from tlcore_visualizers.pixel_network import to_pixels, to_tensor


@dataclass(frozen=True, kw_only=True)
class ByQueries(Attack):
    """Random squares; see `SquareAttack`.

    Attributes:
        epsilon: largest change of a pixel, in units of pixel values; rounded down to whole levels.
        queries: at most, for each image.
    """

    epsilon: float
    queries: int = 1000

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(self.epsilon, "linf")

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        square = SquareAttack(
            levels=int(self.epsilon * LEVELS + 1e-6), queries=self.queries, confidence=problem.goal.confidence
        )
        unfinished: list[Callable[[], SquareResult]] = []
        try:
            square.run(
                lambda pictures: problem.logits(to_tensor(pictures)).numpy(),
                to_pixels(problem.images),
                problem.goal.labels.numpy(),
                targeted=problem.goal.targeted,
                mask=None if problem.mask is None else problem.mask[:, 0].numpy() > 0,
                seed=int(torch.randint(2**31, (1,), generator=generator)),
                progress=progress,
                keep=unfinished.append,
            )
        finally:
            if unfinished:
                self._offer(best, unfinished[0]())

    def _offer(self, best: Best, found: SquareResult) -> None:
        best.steps += torch.from_numpy(found.queries)
        margin = torch.from_numpy(np.asarray(found.margin))
        best.offer(torch.arange(len(margin)), to_tensor(found.images), margin)
