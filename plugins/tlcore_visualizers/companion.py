"""Other networks that a picture of a class is drawn by too: what several answer to is less a trick of one of them.

Drawing by several networks at once is what carries adversarial pictures over to networks never seen: Liu et al. 2017,
Delving into Transferable Adversarial Examples and Black-box Attacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float32

from tlcore.visualizer import Subject
from tlcore_visualizers.borrowed import borrowed
from tlcore_visualizers.folded import folded
from tlcore_visualizers.objective import ClassObjective
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.score import known_to
from tlcore_visualizers.views import ViewTensor


@dataclass(frozen=True, kw_only=True)
class Companion:
    """Another network, and what is drawn as it knows it.

    Attributes:
        network: from pixels to logits.
        objective: the classes by its own indices.
    """

    network: PixelNetwork
    objective: ClassObjective

    def loss(self, views: ViewTensor) -> Float32[torch.Tensor, ""]:
        """Return what it makes of views, resized to its input."""
        if views.shape[2:] != self.network.image_size:
            views = F.interpolate(views, self.network.image_size, mode="bilinear", align_corners=False)
        return self.objective(self.network(views), {}).mean()


@contextmanager
def lightened(companions: Sequence[Subject]) -> Iterator[tuple[Subject, ...]]:
    """Give companions with the networks that pictures are drawn by, folded copies; the companions are left as they were."""
    with ExitStack() as stack:
        for companion in companions:
            stack.enter_context(borrowed(companion.network))
        yield tuple(
            replace(companion, network=folded(companion.network, companion.preprocess.image_size)[0])
            for companion in companions
        )


def companion_of(other: Subject, subject: Subject, objective: ClassObjective) -> Companion:
    """Return another network with the classes of an objective by its own indices.

    Args:
        other: as `lightened` gives it.
        subject: by whose indices the objective names its classes.
        objective: of the picture.

    Raises:
        VisualizationError: it does not know a class.
    """
    weights = {known_to(other, "companion", subject, index): weight for index, weight in objective.weights.items()}
    return Companion(network=PixelNetwork(other), objective=ClassObjective(weights, objective.loss))
