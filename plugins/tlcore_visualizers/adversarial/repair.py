"""Making an adversarial picture survive an 8-bit file: round it, look again, and mend it by single levels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tlcore.epsilon import LEVELS
from tlcore_visualizers.adversarial.ball import Ball
from tlcore_visualizers.adversarial.problem import Problem

REPAIR_STEPS = 30
"""One-level steps at most; minimal-norm attacks need 2 to 4."""

_SHARE = 0.1
"""Share of the pixels that one step moves: those of the largest gradient."""


@dataclass(frozen=True)
class Repaired:
    """Pictures, of each whether it reaches the goal, (images,) bool, and the one-level steps it took, (images,) int64."""

    images: torch.Tensor
    success: torch.Tensor
    steps: torch.Tensor


def repair(problem: Problem, found: Repaired, ball: Ball | None, *, steps: int = REPAIR_STEPS) -> Repaired:
    """Return pictures of whole levels that fool the network where they did before.

    Rounding undoes what minimal-norm attacks found by a hair. Each step moves the tenth of the pixels with the largest
    gradient by one level down the margin, within the ball. Pictures that did not fool the network before are rounded only.

    Args:
        problem: network, originals and goal.
        found: what the attack found, within the ball.
        ball: what the result must stay within; None for no bound but [0, 1].
        steps: at most; 0 to round only.
    """
    rounded, taken = _whole(found.images, ball), found.steps.clone()
    success = problem.goal.reached(problem.logits(rounded))
    for _ in range(steps):
        broken = (found.success & ~success).nonzero().flatten()
        if len(broken) == 0:
            break
        part = problem.rows(broken)
        _, _, gradient = part.gradient(rounded[broken], part.goal.margin)
        bound = ball.rows(broken) if ball is not None else None
        counts = torch.full((len(broken),), max(1, int(gradient[0].numel() * _SHARE)))
        if bound is not None:
            counts = torch.minimum(counts, bound.room(rounded[broken]))
        moved = rounded[broken] - _largest(gradient * part.changeable, counts) / LEVELS
        rounded[broken] = _whole(moved, bound)
        success[broken] = part.goal.reached(part.logits(rounded[broken]))
        taken[broken] += 1
    return Repaired(rounded, success, taken)


def _whole(images: torch.Tensor, ball: Ball | None) -> torch.Tensor:
    if ball is not None:
        return ball.rounded(images)
    return (images.clamp(0, 1) * LEVELS).round() / LEVELS


def _largest(gradient: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the sign of each image's gradient at its `counts` largest values, 0 elsewhere."""
    flat = gradient.flatten(1)
    places = flat.abs().topk(int(counts.max()), dim=1).indices
    chosen = torch.arange(places.shape[1]) < counts[:, None]
    kept = torch.zeros_like(flat).scatter(1, places, flat.gather(1, places).sign() * chosen)
    return kept.reshape(gradient.shape)
