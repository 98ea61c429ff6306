"""``map``: a dataset laid out as a network sees it, as pictures and as a page to explore."""

from __future__ import annotations

from dataclasses import replace

from tlcore.errors import VisualizationError
from tlcore.softmax import softmax
from tlcore.visualizer import Subject, Visualization, VisualizationRequest, Visualizer
from tlcore_visualizers.embedding_map import MapOptions
from tlcore_visualizers.embedding_map.embedding import embed
from tlcore_visualizers.embedding_map.page import map_page
from tlcore_visualizers.embedding_map.picture import caption, map_picture, photo_picture


def create(argument: str | None, options: MapOptions) -> Map:
    """Make the visualizer."""
    return Map(options)


class Map(Visualizer):
    """Places of a dataset's images by their pooled features; a bundle's mistakes are marked."""

    def __init__(self, options: MapOptions) -> None:
        self._options = options

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        if request.images:
            raise VisualizationError("a map is made of a dataset, not of single images; name their folder with --dataset")
        if request.dataset is None:
            raise VisualizationError("a map is made of a dataset; name a folder of photos with --dataset")
        if subject.backbone is None:
            raise VisualizationError(
                f"{subject.name} says nothing of its backbone, whose features a map is made of; "
                "give a bundle, or the backbone's name"
            )
        head = subject.head
        found = embed(
            request.dataset,
            subject.backbone,
            options=self._options,
            classify=None if head is None else lambda features: softmax(head.logits(features), subject.temperature),
            answer_names=subject.class_names,
            network=subject.name,
            views=subject.views,
            cache_directory=request.cache_directory,
            seed=request.seed,
            progress=request.progress,
        )
        without_page = Visualization(
            pictures=(map_picture(found), photo_picture(found)),
            record=found.record,
            lines=(caption(found), *(f"left out: {entry.reason}" for entry in found.left_out)),
        )
        if not self._options.page:
            return without_page
        request.keep(lambda: without_page)
        return replace(without_page, files={"map.html": map_page(found, progress=request.progress).encode()})
