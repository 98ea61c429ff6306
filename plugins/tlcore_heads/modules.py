"""Parts of heads as torch modules, for export."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Int64


class DirectionsModule(torch.nn.Module):
    """`Directions.apply` in torch.

    Args:
        centre: (features,) float32.
        shortest: lengths below it count as it.
    """

    centre: torch.Tensor

    def __init__(self, centre: Float32[np.ndarray, " features"], shortest: float) -> None:
        super().__init__()
        self.shortest = shortest
        self.register_buffer("centre", torch.tensor(centre))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return directions, (images, features)."""
        moved = features - self.centre
        return moved / moved.square().sum(dim=1, keepdim=True).sqrt().clamp_min(self.shortest)


class VoteModule(torch.nn.Module):
    """The vote of the nearest stored directions, as `FittedNeighbours` takes it.

    Args:
        stored: (images, features) float32, of length 1.
        labels: (images,) int64.
        classes: how many.
        neighbours: how many vote.
        prior: votes shared by all classes.
    """

    stored: torch.Tensor
    labels: torch.Tensor
    numbers: torch.Tensor

    def __init__(
        self,
        stored: Float32[np.ndarray, "images features"],
        labels: Int64[np.ndarray, " images"],
        classes: int,
        neighbours: int,
        prior: float,
    ) -> None:
        super().__init__()
        self.register_buffer("stored", torch.tensor(stored))
        self.register_buffer("labels", torch.tensor(labels))
        self.register_buffer("numbers", torch.arange(classes))
        self.neighbours = neighbours
        self.prior = prior

    def forward(self, directions: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of each class's share of the votes, (images, classes)."""
        nearest = torch.topk(directions @ self.stored.T, self.neighbours + 1, dim=1)
        weights = nearest.values[:, :-1] - nearest.values[:, -1:]
        chosen = self.labels[nearest.indices[:, :-1]].unsqueeze(2) == self.numbers
        votes = (weights.unsqueeze(2) * chosen.to(weights.dtype)).sum(dim=1) + self.prior / len(self.numbers)
        return torch.log(votes / votes.sum(dim=1, keepdim=True))


class Divided(torch.nn.Module):
    """Logits divided by a number.

    Args:
        divisor: positive.
    """

    def __init__(self, divisor: float) -> None:
        super().__init__()
        self.divisor = divisor

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (images, classes)."""
        return logits / self.divisor
