"""``explain``: which parts of each image speak for a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tlcore.errors import VisualizationError
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Subject, Visualization, VisualizationRequest, Visualizer
from tlcore_visualizers.distinct import distinct
from tlcore_visualizers.saliency import ExplainOptions
from tlcore_visualizers.saliency.explanation import Explanation, explain, explanation_layer


def create(argument: str | None, options: ExplainOptions) -> Explain:
    """Make the visualizer."""
    return Explain(options)


class Explain(Visualizer):
    """Saliency maps over photos, of the likeliest class or of those asked for."""

    def __init__(self, options: ExplainOptions) -> None:
        self._options = options

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        if not request.images:
            raise VisualizationError("there is no image to explain; give one or more photos")
        layer = explanation_layer(subject, self._options)
        targets: Sequence[int | None] = request.classes or (None,)
        done: list[Explanation] = []
        total = len(request.images) * len(targets)
        for name, image in zip(request.image_names, request.images, strict=True):
            for target in targets:
                done += explain(
                    subject, image, target=target, name=name, options=self._options, layer=layer,
                    seed=request.seed, progress=request.progress,
                )  # fmt: skip
                request.keep(partial(_visualization, done, self._options))
                request.progress(ProgressEvent("explained", len(done) // len(self._options.methods), total))
        return _visualization(done, self._options)


def _visualization(done: Sequence[Explanation], options: ExplainOptions) -> Visualization:
    lines = []
    if options.method == "all" and options.steps:
        lines.append("mean over what was explained (deletion: lower is better; insertion: higher is better)")
        for method in options.methods:
            scores = [each.scores for each in done if each.method == method and each.scores is not None]
            deletion, insertion = (np.mean([getattr(each, kind) for each in scores]) for kind in ("deletion", "insertion"))
            lines.append(f"  {method:<20}  deletion {deletion:.3f}  insertion {insertion:.3f}")
    return Visualization(
        pictures=distinct([each.picture for each in done]),
        record={"explanations": [dict(each.record) for each in done]},
        lines=tuple(lines),
        columns=len(options.methods) if options.method == "all" else None,
    )
