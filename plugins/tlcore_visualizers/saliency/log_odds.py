"""What saliency methods explain: the log-odds of a class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from tlcore.progress import Progress, ProgressEvent, silent


def log_odds(logits: Float[torch.Tensor, "images classes"], target: int) -> Float[torch.Tensor, " images"]:
    """Return the logarithm of a class's probability over that of all others together, (images,).

    Papers explain the logit before the softmax, to which anything may be added that all classes share: a network whose
    logits are all negative then has nothing that speaks for any class. This is free of it, and its gradient does not
    vanish where the class is certain, as that of the probability does.

    >>> log_odds(torch.tensor([[2.0, 0.5]]), 0).tolist()
    [1.5]
    """
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    return logits[:, target] - others.logsumexp(1)


def counted_log_odds(
    network: torch.nn.Module, target: int, stage: str, total: int, progress: Progress = silent
) -> Callable[[Float[torch.Tensor, "images 3 height width"]], Float[torch.Tensor, " images"]]:
    """Return inputs to log-odds as a function that tells how many of `total` images it has seen."""
    seen = 0

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        odds = log_odds(network(inputs), target)
        seen += len(inputs)
        progress(ProgressEvent(stage, min(seen, total), total))
        return odds

    return forward
