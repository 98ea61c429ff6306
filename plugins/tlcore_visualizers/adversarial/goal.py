"""What an attack wants: away from a class, or to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64

Loss = Literal["cross-entropy", "dlr", "margin"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What an attack wants of each image.

    Attributes:
        labels: of each image the class it has, to get away from, or where `targeted` the class to reach; (images,).
        targeted: which of the two.
        confidence: by how many logits it is to be exceeded before an image counts as fooled.
    """

    labels: Int64[torch.Tensor, " images"]
    targeted: bool = False
    confidence: float = 0.0

    def rows(self, index: torch.Tensor) -> Goal:
        """Return the goal of some of the images."""
        return Goal(labels=self.labels[index], targeted=self.targeted, confidence=self.confidence)

    def margin(self, logits: Float[torch.Tensor, "images classes"]) -> Float[torch.Tensor, " images"]:
        """Return by how much each image misses the goal, in logits; below 0 it is reached."""
        named = logits.gather(1, self.labels[:, None]).squeeze(1)
        others = logits.scatter(1, self.labels[:, None], -torch.inf).amax(1)
        return (others - named if self.targeted else named - others) + self.confidence

    def reached(self, logits: Float[torch.Tensor, "images classes"]) -> torch.Tensor:
        """Return of each image whether the goal is reached, (images,) bool."""
        return self.margin(logits) < 0

    def objective(self, logits: Float[torch.Tensor, "images classes"], loss: Loss) -> Float[torch.Tensor, " images"]:
        """Return what an attack maximises for each image.

        Args:
            logits: (images, classes).
            loss: ``"cross-entropy"``; ``"dlr"``, the difference of logits ratio, whose gradient does not vanish on a
                confident network; ``"margin"``, the plain difference of logits.

        Source: Croce and Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
            parameter-free attacks (arXiv 2003.01690), equations 6 and 7. With too few classes for their denominators
            (three where targeted, else two) the ratio would be constant; it is then taken over the range of the logits,
            which passes no gradient.
        """
        if loss == "cross-entropy":
            entropy = torch.nn.functional.cross_entropy(logits, self.labels, reduction="none")
            return -entropy if self.targeted else entropy
        if loss == "margin":
            return -self.margin(logits)
        return -self.margin(logits) / (self._spread(logits) + 1e-12)

    def _spread(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what the difference of logits is divided by, (images,)."""
        ordered = logits.sort(dim=1, descending=True).values
        if self.targeted and logits.shape[1] >= 4:
            return ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
        if not self.targeted and logits.shape[1] >= 3:
            return ordered[:, 0] - ordered[:, 2]
        return (ordered[:, 0] - ordered[:, -1]).detach()
