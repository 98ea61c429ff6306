"""``features``: filters, feature maps of images, and the images of a dataset that excite a channel."""

from __future__ import annotations

from dataclasses import asdict

from PIL import Image

from tlcore.errors import VisualizationError
from tlcore.exported_network import ExportedNetwork
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Picture, Subject, Visualization, VisualizationRequest, Visualizer
from tlcore_visualizers.distinct import distinct
from tlcore_visualizers.feature_maps import FeatureOptions
from tlcore_visualizers.feature_maps.excitation import Excitation
from tlcore_visualizers.feature_maps.exemplars import Exemplars, find_exemplars
from tlcore_visualizers.feature_maps.filters import colour_layers, first_filters
from tlcore_visualizers.feature_maps.maps import FeatureMaps, check_channels, feature_maps
from tlcore_visualizers.layers import Layer, choose_layer, find_layers, last_of_each_size

_MOST_WITH_EXAMPLES = 8
"""How many channels get examples where none are named: each has a picture of its own."""


def create(argument: str | None, options: FeatureOptions) -> Features:
    """Make the visualizer."""
    return Features(options)


class Features(Visualizer):
    """Filters without an image, feature maps of images, examples from a dataset."""

    def __init__(self, options: FeatureOptions) -> None:
        self._options = options

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        if isinstance(subject.network, ExportedNetwork):
            raise VisualizationError(
                f"{subject.name}: an exported file shows none of its layers; give the bundle it came from"
            )
        layers = find_layers(subject.network, subject.preprocess.image_size)
        if self._options.layers:
            return _listing(layers)
        named = tuple(choose_layer(layers, name) for name in self._options.layer)
        for layer in named:
            check_channels(layer, self._options.channels)
        pictures, records, lines = self._filters(subject, named), [], []
        chosen = named or last_of_each_size(layers)
        total = len(chosen) * len(request.images)
        for name, image in zip(request.image_names, request.images, strict=True):
            for layer in chosen:
                maps = self._maps(subject, image, layer, name)
                pictures.append(maps.picture)
                records.append(dict(maps.record))
                request.progress(ProgressEvent("feature maps", len(records), total))
        if request.dataset is not None:
            for layer in named or chosen[-1:]:
                examples, found = self._examples(subject, request, layer)
                pictures += [each.picture for each in examples]
                records += [dict(each.record) for each in examples]
                lines += [f"left out: {entry.reason}" for entry in found.left_out]
        if not pictures:
            raise VisualizationError(
                f"{subject.name} has no filters to show in {', '.join(self._options.layer) or 'its first layer'}; "
                "give an image, or a dataset with --dataset"
            )
        return Visualization(pictures=distinct(pictures), record={"layers": records}, lines=tuple(lines))

    def _filters(self, subject: Subject, named: tuple[Layer, ...]) -> list[Picture]:
        """Return the filters of the named layers that have some to show; of the first layer where none is named."""
        known = colour_layers(subject.network)
        if not named:
            return [first_filters(subject).picture] if known else []
        asked = [layer.name for layer in named if layer.name in known]
        return [first_filters(subject, layer=name, channels=self._options.channels).picture for name in asked]

    def _maps(self, subject: Subject, image: Image.Image, layer: Layer, name: str) -> FeatureMaps:
        options = self._options
        return feature_maps(
            subject, image, layer, channels=options.channels, most=options.most, scale=options.scale, name=name
        )

    def _examples(
        self, subject: Subject, request: VisualizationRequest, layer: Layer
    ) -> tuple[tuple[Exemplars, ...], Excitation]:
        assert request.dataset is not None
        options = self._options
        return find_exemplars(
            subject,
            request.dataset.samples,
            layer,
            channels=options.channels,
            most=min(options.most, _MOST_WITH_EXAMPLES),
            count=options.examples,
            progress=request.progress,
        )


def _listing(layers: tuple[Layer, ...]) -> Visualization:
    rows = [(layer.name, layer.kind, f"{layer.channels} x {layer.rows} x {layer.columns}") for layer in layers]
    if not rows:
        raise VisualizationError("the network has no layer whose output lies on a grid over the image")
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return Visualization(
        lines=("layer, kind, channels x rows x columns", *(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)),
        record={"layers": [asdict(layer) for layer in layers]},
    )
