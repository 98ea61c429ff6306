"""Attacks: the core of it checks and repairs, each attack computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float32, Int64

from tlcore.progress import Progress, silent
from tlcore_visualizers.adversarial.ball import Ball, length
from tlcore_visualizers.adversarial.problem import Problem, check, frozen
from tlcore_visualizers.adversarial.repair import REPAIR_STEPS, Repaired, repair


@dataclass
class Best:
    """The best picture of each image so far; where an attack is interrupted, this is what it gives.

    A picture that reaches the goal is better than one that does not; of two that do the one with the smaller cost, of two
    that do not the one with the smaller margin.
    """

    images: torch.Tensor
    margin: torch.Tensor = field(init=False)
    cost: torch.Tensor = field(init=False)
    steps: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.images = self.images.clone()
        self.margin = torch.full((len(self.images),), torch.inf)
        self.cost = torch.full((len(self.images),), torch.inf)
        self.steps = torch.zeros(len(self.images), dtype=torch.int64)

    @property
    def open_rows(self) -> torch.Tensor:
        """Which images are not fooled yet, as an index."""
        return (~self.success).nonzero().flatten()

    @property
    def success(self) -> torch.Tensor:
        """Of each image whether its best picture reaches the goal, (images,) bool."""
        return self.margin < 0

    def offer(
        self, rows: torch.Tensor, images: torch.Tensor, margin: torch.Tensor, cost: torch.Tensor | None = None
    ) -> None:
        """Keep those pictures that are better than what there is.

        Args:
            rows: which images these are, (rows,) int64.
            images: (rows, 3, height, width).
            margin: by how much each misses the goal, (rows,).
            cost: what to keep small once the goal is reached; None for the margin itself.
        """
        cost = margin if cost is None else cost
        reached, had = margin < 0, self.success[rows]
        better = torch.where(
            reached & had, cost < self.cost[rows], torch.where(reached == had, margin < self.margin[rows], reached)
        )
        kept = rows[better]
        for own, place in zip(kept.tolist(), better.nonzero().flatten().tolist(), strict=True):
            self.images[own].copy_(images[place].detach())
        self.margin[kept], self.cost[kept] = margin[better].detach(), cost[better].detach()


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """What an attack gave.

    Attributes:
        images: (images, 3, height, width) in [0, 1], whole levels of 255 unless the attack was run unsaved.
        success: of each image whether the network is fooled by that very picture.
        steps: of each image how many times the network was asked for a gradient (queries, for query-only attacks).
        repairs: of each image how many one-level steps made it survive the rounding to 8 bits.
        linf, l2: norms of each change as the attack found it, in units of pixel values, before it was cut to [0, 1], rounded
            and repaired.
    """

    images: Float32[torch.Tensor, "images 3 height width"]
    success: Bool[torch.Tensor, " images"]
    steps: Int64[torch.Tensor, " images"]
    repairs: Int64[torch.Tensor, " images"]
    linf: Float32[torch.Tensor, " images"]
    l2: Float32[torch.Tensor, " images"]


Keep = Callable[[Callable[[], AttackResult]], None]
"""Takes a function that returns the best so far; it is called if the attack is interrupted."""


def _forget(unfinished: Callable[[], AttackResult]) -> None:
    """Keep nothing."""


class Attack(ABC):
    """A way to fool a network. A subclass is a frozen dataclass of settings and writes `compute` and `ball`.

    Attributes:
        repairable: whether what rounding undid may be mended image by image; False where one change serves all images.
    """

    repairable: ClassVar[bool] = True

    @abstractmethod
    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        """Search, and `offer` to `best` what is found. Written by the attack; callers use `run`."""

    @abstractmethod
    def ball(self, problem: Problem) -> Ball | None:
        """Return the pictures the attack is bound to, or None where it looks for the nearest."""

    def run(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        progress: Progress = silent,
        saved: bool = True,
        keep: Keep = _forget,
    ) -> AttackResult:
        """Attack pictures.

        Args:
            problem: network, pictures and goal.
            seed: of everything random.
            progress: told how far it is; what it raises ends the attack.
            saved: round the result to 8 bits within the ball, verify it, and repair what no longer fools the network;
                False gives the pictures as the attack found them.
            keep: given at the start a function that returns the best so far, to be called after an interruption.

        Raises:
            TlcoreError: the network is in training mode or returns what is not finite, or the pictures are not pictures.
        """
        check(problem)
        best = Best(problem.images)
        keep(lambda: self._finished(problem, best, saved))
        with frozen(problem.network):
            self.compute(problem, best, generator=torch.Generator().manual_seed(seed), progress=progress)
        return self._finished(problem, best, saved)

    def _finished(self, problem: Problem, best: Best, saved: bool) -> AttackResult:
        """Return the best so far: within the ball, and where `saved` as an 8-bit file holds it."""
        ball = self.ball(problem)
        found = Repaired(best.images.clone(), best.success, torch.zeros_like(best.steps))
        with frozen(problem.network):
            if ball is not None and not ball.holds(found.images):
                allowed = ball.project(found.images)
                found = Repaired(allowed, problem.goal.reached(problem.logits(allowed)), found.steps)
            change = found.images - problem.images
            if saved:
                found = repair(problem, found, ball, steps=REPAIR_STEPS if self.repairable else 0)
        return AttackResult(
            images=found.images,
            success=found.success,
            steps=best.steps.clone(),
            repairs=found.steps,
            linf=length(change, "linf"),
            l2=length(change, "l2"),
        )
