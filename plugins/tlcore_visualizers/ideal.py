"""The ideal image of a class, drawn from noise by gradient ascent, with an honest score beside it.

Sources: Simonyan et al. 2013, Deep Inside Convolutional Networks (ascent, L2); Mahendran and Vedaldi 2015 (total variation);
Yosinski et al. 2015 (blur); Olah et al. 2017, Feature Visualization (Fourier, views, diversity); Yin et al. 2020 (what
normalisations remember); Fel et al. 2023 (MACO).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32

from tlcore.errors import OptionError
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Subject, Visualization, VisualizationRequest, Visualizer
from tlcore_visualizers.attempts import Plan, attempt, plan_for
from tlcore_visualizers.borrowed import borrowed
from tlcore_visualizers.companion import Companion, companion_of, lightened
from tlcore_visualizers.drawing import Drawing, Task
from tlcore_visualizers.folded import folded
from tlcore_visualizers.gallery import Gallery, Portrait
from tlcore_visualizers.ideal_options import IdealOptions
from tlcore_visualizers.layers import Layer, find_layers
from tlcore_visualizers.objective import ClassObjective, LayerObjective, Objective, layer_objective
from tlcore_visualizers.parameterisation import Fourier, MagnitudeConstrained, Parameterisation, Pixels
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.recipe import Recipe, recipe_of
from tlcore_visualizers.remembered import Place, places
from tlcore_visualizers.small_views import small_view_size
from tlcore_visualizers.spectrum import dataset_pixels, mean_magnitude


def create(argument: str | None, options: IdealOptions) -> IdealImage:
    """Make the visualizer."""
    return IdealImage(options)


class IdealImage(Visualizer):
    """Draws ideal images of classes, or of what a layer's channels answer to."""

    def __init__(self, options: IdealOptions) -> None:
        self._options = options

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        options, recipe = self._options, recipe_of(self._options)
        size = self._size(subject)
        photographs = None if request.dataset is None else dataset_pixels(request.dataset, size, request.progress)
        if recipe.parameterisation == "maco" and photographs is None:
            raise OptionError("maco takes the strengths of waves from your photos: give a dataset (--dataset PHOTOS)")
        if self._options.remembered and not places(subject.network, {}):
            raise OptionError(f"{subject.name} has no batch normalisation that remembers its images: leave 'remembered' out")
        portraits = self._portraits(subject, request)
        companions = request.companions if recipe.companion_weight and not options.layer else ()
        record = {"recipe": asdict(recipe), "size": list(size), "companions": [found.name for found in companions]}
        gallery = Gallery(subject, request, photographs, options, record)
        with borrowed(subject.network), lightened(companions) as beside:
            network, where = self._to_draw_by(subject, recipe)
            first = self._task(network, where, portraits[0].objective, request.frames)
            tasks = [
                replace(first, objective=portrait.objective, companions=_company(beside, subject, portrait))
                for portrait in portraits
            ]
            for portrait, task in zip(portraits, tasks, strict=True):
                drawings: list[Drawing] = []
                request.keep(partial(gallery.with_unfinished, portrait, drawings))
                self._attempts(task, portrait, drawings, request, size, photographs)
                gallery.hang(portrait, drawings)
                request.keep(gallery.visualization)
        return gallery.visualization()

    def _size(self, subject: Subject) -> tuple[int, int]:
        """Return (height, width): by default what the network's preprocessing crops its input from, without scaling it."""
        if self._options.size is not None:
            return self._options.size, self._options.size
        height, width = subject.preprocess.image_size
        share = min(1.0, subject.preprocess.crop_fraction) if subject.preprocess.resize == "shortest" else 1.0
        return math.floor(height / share), math.floor(width / share)

    def _to_draw_by(self, subject: Subject, recipe: Recipe) -> tuple[PixelNetwork, list[Place]]:
        """Return the network that is differentiated, and where it remembers: a folded copy, unless layers are watched."""
        if self._options.layer or self._options.count > 1 or recipe.drop:
            return PixelNetwork(subject), places(subject.network, {})
        network, norms = folded(subject.network, subject.preprocess.image_size)
        return PixelNetwork(replace(subject, network=network)), places(network, norms)

    def _portraits(self, subject: Subject, request: VisualizationRequest) -> list[Portrait]:
        options, recipe = self._options, recipe_of(self._options)
        if options.layer:
            layers = find_layers(subject.network, subject.preprocess.image_size)
            objective = layer_objective(
                subject.name, layers, layer=options.layer, channel=options.channel,
                direction=options.direction, neuron=options.neuron,
            )  # fmt: skip
            return [Portrait(name=_layer_title(objective), objective=objective)]
        if not request.classes:
            raise OptionError("an ideal image is one of a class: name it (--class zebra), or name a layer and a channel")
        if options.mix is not None:
            if len(set(request.classes)) != 2:
                raise OptionError(f"mix draws one image of two classes, got {len(set(request.classes))}: name two (--class)")
            first, second = request.classes
            name = f"{subject.class_name(first)} and {subject.class_name(second)}"
            return [Portrait(name, ClassObjective({first: options.mix, second: 1 - options.mix}, recipe.loss))]
        return [
            Portrait(subject.class_name(index), ClassObjective({index: 1.0}, recipe.loss))
            for index in dict.fromkeys(request.classes)
        ]

    def _task(self, network: PixelNetwork, where: list[Place], objective: Objective, frames: bool) -> Task:
        """Return what one network alone is asked to draw."""
        recipe = recipe_of(self._options)
        diverse: Layer | None = None
        if self._options.count > 1 and self._options.diversity:
            layers = find_layers(network.network, network.image_size)
            diverse = layers[len(layers) * 2 // 3] if layers else None
        return Task(
            network=network,
            small_size=small_view_size(network) if recipe.small_views else network.image_size,
            places=where,
            objective=objective,
            companions=(),
            diverse_layer=diverse,
            diversity=self._options.diversity,
            recipe=recipe,
            frames=frames,
        )

    def _attempts(
        self,
        task: Task,
        portrait: Portrait,
        drawings: list[Drawing],
        request: VisualizationRequest,
        size: tuple[int, int],
        photographs: Float32[np.ndarray, "images height width 3"] | None,
    ) -> None:
        """Draw from one seed after the other, into `drawings`, while there is time."""
        seconds = self._options.seconds
        deadline = None if seconds is None else time.monotonic() + seconds

        def begin(seed: int) -> Drawing:
            return Drawing(seed, self._parameterisation(task.recipe, seed, size, photographs))

        def report(seed: int, done: int) -> None:
            request.progress(ProgressEvent(f"{portrait.name}, seed {seed}", min(done, plan.steps), plan.steps))

        plan = Plan(seeds=self._options.seeds, steps=task.recipe.steps)
        if deadline is not None:
            plan = plan_for(task, begin, deadline=deadline, steps_given=self._options.steps is not None)
        attempt(task, drawings, begin, plan, seed=request.seed, report=report)

    def _parameterisation(
        self,
        recipe: Recipe,
        seed: int,
        size: tuple[int, int],
        photographs: Float32[np.ndarray, "images height width 3"] | None,
    ) -> Parameterisation:
        generator, count = torch.Generator().manual_seed(seed), self._options.count
        if recipe.parameterisation == "pixels":
            return Pixels(count, size, generator)
        if recipe.parameterisation == "fourier":
            return Fourier(count, size, generator, recipe.decay)
        assert photographs is not None
        return MagnitudeConstrained(count, size, generator, *mean_magnitude(photographs))


def _company(companions: Sequence[Subject], subject: Subject, portrait: Portrait) -> tuple[Companion, ...]:
    if not isinstance(portrait.objective, ClassObjective):
        return ()
    return tuple(companion_of(other, subject, portrait.objective) for other in companions)


def _layer_title(objective: LayerObjective) -> str:
    channels = ", ".join(f"{channel}" for channel in objective.weights)
    what = "channel" if len(objective.weights) == 1 else "channels"
    return f"{objective.layer.name} {what} {channels}{' neuron' if objective.middle else ''}"
