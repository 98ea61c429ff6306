"""Whether a saliency map is right about the network: remove or insert the pixels it ranks highest, and watch the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torchvision.transforms.functional import gaussian_blur  # type: ignore[import-untyped]

from tlcore.progress import Progress, ProgressEvent, silent

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Deletion and insertion of one map (Petsiuk et al. 2018, RISE).

    Attributes:
        deletion: area under the class's probability while pixels are covered, most salient first; lower is better.
        insertion: the same while they are put into a blurred image; higher is better.
        deletion_curve, insertion_curve: the probabilities, from no pixel to all.
    """

    deletion: float
    insertion: float
    deletion_curve: tuple[float, ...]
    insertion_curve: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready values."""
        return {
            "deletion": self.deletion,
            "insertion": self.insertion,
            "deletion_curve": list(self.deletion_curve),
            "insertion_curve": list(self.insertion_curve),
        }


def faithfulness(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    values: Float32[np.ndarray, "height width"],
    target: int,
    *,
    steps: int,
    temperature: float = 1.0,
    progress: Progress = silent,
) -> Faithfulness:
    """Measure one saliency map.

    As in the authors' code, pixels are covered with the mean colour (0 once normalised) and inserted into the image blurred
    by a Gaussian of 11 pixels and deviation 5 at 224 pixels, in proportion at other sizes.

    Args:
        network: from normalised inputs to logits, in evaluation mode.
        inputs: the normalised image.
        values: higher where it matters more; ties go by position.
        target: class index.
        steps: into how many equal shares the pixels are divided.
        temperature: what logits are divided by before the softmax.
        progress: told after each batch.
    """
    height, width = inputs.shape[2:]
    order = np.argsort(-values.reshape(-1), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    ranks = torch.from_numpy(rank.reshape(1, 1, height, width)).to(inputs.device)
    radius = max(1, round(5 * max(height, width) / 224))
    kernel = 2 * min(radius, min(height, width) - 1) + 1
    blurred = gaussian_blur(inputs, [kernel, kernel], [float(radius), float(radius)]) if kernel > 1 else inputs
    counts = torch.linspace(0, height * width, steps + 1, device=inputs.device).round().long()
    curves: dict[str, list[float]] = {"deletion": [], "insertion": []}
    with torch.no_grad():
        for start in range(0, len(counts), _BATCH):
            chosen = ranks < counts[start : start + _BATCH, None, None, None]
            for name, before, after in (("deletion", inputs, torch.zeros_like(inputs)), ("insertion", blurred, inputs)):
                logits = network(torch.where(chosen, after, before))
                curves[name] += (logits / temperature).softmax(1)[:, target].tolist()
            progress(ProgressEvent("deletion and insertion", min(start + _BATCH, len(counts)), len(counts)))
    return Faithfulness(
        deletion=_area(curves["deletion"]),
        insertion=_area(curves["insertion"]),
        deletion_curve=tuple(curves["deletion"]),
        insertion_curve=tuple(curves["insertion"]),
    )


def _area(curve: list[float]) -> float:
    """Return the mean height of a curve at equal distances, by trapezoids.

    >>> _area([1.0, 0.5, 0.0])
    0.5
    """
    return float(np.trapezoid(curve) / (len(curve) - 1))
