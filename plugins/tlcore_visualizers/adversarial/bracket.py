"""Searching each image's own number: from where an attack fails upwards, then by bisection."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64

from tlcore_visualizers.adversarial.attack import Best
from tlcore_visualizers.adversarial.problem import Problem


@dataclass(kw_only=True)
class Bracket:
    """Between which two numbers each image begins to fall; changed as numbers are tried.

    Attributes:
        low: the greatest that did not fool the network, (images,); 0 where none was tried.
        high: the smallest that did; infinite where none has.
    """

    low: Float32[torch.Tensor, " images"]
    high: Float32[torch.Tensor, " images"]

    @classmethod
    def around(cls, problem: Problem, best: Best) -> Bracket:
        """Begin with the images as they are: those at the goal already need no change, and are offered to `best`."""
        count = len(problem.images)
        nothing = torch.zeros(count)
        best.offer(torch.arange(count), problem.images, problem.goal.margin(problem.logits(problem.images)), nothing)
        return cls(low=nothing, high=torch.where(best.success, 0.0, torch.inf))

    def narrow(
        self,
        rows: Int64[torch.Tensor, " rows"],
        fooled: Bool[torch.Tensor, " rows"],
        tried: Float32[torch.Tensor, " rows"],
    ) -> None:
        """Take in which images fell to the number tried on each."""
        self.high[rows] = torch.where(fooled, tried, self.high[rows])
        self.low[rows] = torch.where(fooled, self.low[rows], tried)

    def next(self, growth: float) -> Float32[torch.Tensor, " images"]:
        """Return what to try on each image: the middle, or so many times as much where nothing has fooled the network."""
        return torch.where(self.high.isinf(), self.low * growth, (self.low + self.high) / 2)
