"""Drawing by gradient descent: one attempt from one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from tlcore.errors import VisualizationError
from tlcore_visualizers.borrowed import captured
from tlcore_visualizers.companion import Companion
from tlcore_visualizers.descent import Descent
from tlcore_visualizers.layers import Layer
from tlcore_visualizers.objective import LayerObjective, Objective, Outputs, likeness
from tlcore_visualizers.pace import Pace
from tlcore_visualizers.parameterisation import Images, Parameterisation
from tlcore_visualizers.pixel_network import PixelNetwork, to_pixels
from tlcore_visualizers.recipe import Recipe
from tlcore_visualizers.remembered import Place, Remembered
from tlcore_visualizers.variation import total_variation
from tlcore_visualizers.views import ViewRange, Views, ViewTensor, blurred

FRAMES = 48
"""About how many frames of an attempt are kept."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is drawn, with which settings.

    Attributes:
        network: from pixels to logits.
        small_size: (height, width) of the smaller views that a picture begins with, pixels.
        places: where it can be compared with what it remembers.
        objective: what is made small.
        companions: by whom it is drawn too.
        diverse_layer: by which several images are kept unlike; None for one image.
        diversity: its weight.
        recipe: the settings.
        frames: whether to keep how it came about.
    """

    network: PixelNetwork
    small_size: tuple[int, int]
    places: list[Place]
    objective: Objective
    companions: tuple[Companion, ...]
    diverse_layer: Layer | None
    diversity: float
    recipe: Recipe
    frames: bool

    @property
    def watched(self) -> set[str]:
        """Names of the layers that the objective and diversity read."""
        objective = self.objective.layer if isinstance(self.objective, LayerObjective) else None
        return {layer.name for layer in (objective, self.diverse_layer) if layer is not None}


@dataclass
class Drawing:
    """What one attempt has come to.

    Attributes:
        seed: of the noise it began with and of its views.
        parameterisation: the images.
        steps: how many were made.
        frames: of each image, if kept.
    """

    seed: int
    parameterisation: Parameterisation
    steps: int = 0
    frames: list[UInt8[np.ndarray, "images height width 3"]] = field(default_factory=list)

    def pixels(self) -> UInt8[np.ndarray, "images height width 3"]:
        """Return the images as 8-bit pixels."""
        return to_pixels(self.parameterisation.images())


def draw(task: Task, drawing: Drawing, pace: Pace, *, step: Callable[[int], None]) -> None:
    """Improve a drawing step by step, until its pace says that it is finished.

    Args:
        task: what to draw.
        drawing: begun; changed as it goes, so that it is of use at any moment.
        pace: how far it has come.
        step: told after each step how many were made.

    Raises:
        VisualizationError: the loss is not finite.
    """
    recipe, generator = task.recipe, torch.Generator().manual_seed(drawing.seed)
    views = Views(_ranges(recipe), generator)
    parameters = drawing.parameterisation.parameters
    descent = Descent(parameters, recipe.optimiser)
    remembered = Remembered(task.places, recipe.remembered)
    drawing.steps, shown = 0, -1
    with (
        captured(task.network.network, task.watched) as outputs,
        dropping(task.network.network, recipe.drop, generator),
        remembered.listening(),
    ):
        while (done := pace(drawing.steps)) < 1:
            images = drawing.parameterisation.images()
            size = task.small_size if done < recipe.small_views else task.network.image_size
            loss = _loss(task, images, views(images, size, recipe.views, noise=_noise(done, recipe)), outputs)
            loss = loss + remembered.loss()
            if not torch.isfinite(loss):
                raise VisualizationError(_not_finite(drawing.steps))
            descent.step(torch.autograd.grad(loss, parameters), recipe.learning_rate * _share(done, recipe))
            drawing.parameterisation.after_step()
            drawing.steps += 1
            if task.frames and (int(done * FRAMES) > shown or pace(drawing.steps) >= 1):
                drawing.frames.append(drawing.pixels())
                shown = int(done * FRAMES)
            step(drawing.steps)


def _not_finite(index: int) -> str:
    if index == 0:
        return "the network's answer to noise is not finite; are its weights whole?"
    return f"the image became NaN at step {index}; a smaller learning_rate keeps it whole"


def _loss(task: Task, images: Images, views: ViewTensor, outputs: Outputs) -> Float32[torch.Tensor, ""]:
    recipe = task.recipe
    logits = task.network(views)
    loss = task.objective(logits, outputs).mean()
    for companion in task.companions:
        loss = loss + recipe.companion_weight * companion.loss(views)
    if recipe.tv:
        loss = loss + recipe.tv * total_variation(images)
    if recipe.l2:
        loss = loss + recipe.l2 * ((images - 0.5) ** 2).mean()
    if recipe.blur:
        loss = loss + recipe.blur * ((images - blurred(images, 1.0)) ** 2).mean()
    if task.diverse_layer is not None:
        maps = task.diverse_layer.grid(outputs[task.diverse_layer.name])
        loss = loss + task.diversity * likeness(maps[:: recipe.views])
    return loss


@contextmanager
def dropping(network: torch.nn.Module, share: float, generator: torch.Generator) -> Iterator[None]:
    """Within the block, switch off a random share of the channels after each normalisation, others in each run.

    What is drawn then cannot hang on a few channels, which other networks do not have: Li et al. 2020, Learning
    Transferable Adversarial Examples via Ghost Networks.
    """

    def hook(module: torch.nn.Module, arguments: object, output: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(output.shape[:2], generator=generator) >= share
        return output * (kept.to(output.dtype) / (1 - share))[:, :, None, None]

    modules = [module for module in network.modules() if share and isinstance(module, torch.nn.BatchNorm2d)]
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _ranges(recipe: Recipe) -> ViewRange:
    return ViewRange(
        scale=recipe.scale,
        rotation=recipe.rotation,
        shift=recipe.shift,
        blur=recipe.view_blur,
        mirror=recipe.mirror,
        colour=recipe.colour,
    )


def _noise(done: float, recipe: Recipe) -> float:
    """Return the noise where a share is done: from the first to the last value in three quarters of the drawing."""
    first, last = recipe.noise
    return first + (last - first) * min(1.0, done / 0.75)


def _share(done: float, recipe: Recipe) -> float:
    """Return the share of the learning rate where a share is done: all of it in the first half, then falling to 0.05."""
    if recipe.optimiser != "adam" or recipe.parameterisation == "pixels":
        return 1.0
    return min(1.0, 2 * (1 - done) + 0.05)
