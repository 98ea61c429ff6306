"""Built-in plugin: looking into networks, and fooling them."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import VisualizerSpec
from tlcore_visualizers.adversarial.options import METHODS, AdversarialOptions
from tlcore_visualizers.embedding_map import MapOptions
from tlcore_visualizers.feature_maps import FeatureOptions
from tlcore_visualizers.ideal_options import IdealOptions
from tlcore_visualizers.saliency import ExplainOptions

TLCORE_API_VERSION = 1


@hookimpl
def tlcore_visualizers() -> list[VisualizerSpec]:
    return [
        VisualizerSpec(
            name="adversarial",
            summary="images changed as little as can be until the network takes them for something else",
            factory="tlcore_visualizers.adversarial.visualizer:create",
            options=AdversarialOptions,
            argument="METHOD",
            catalogue="tlcore_visualizers.adversarial.options:methods",
            featured=METHODS,
            licence="MIT",
        ),
        VisualizerSpec(
            name="ideal",
            summary="the ideal image of a class, drawn from noise by gradient ascent, with an honest score",
            factory="tlcore_visualizers.ideal:create",
            options=IdealOptions,
            licence="MIT",
            takes_companions=True,
        ),
        VisualizerSpec(
            name="features",
            summary="filters, feature maps of images, and the photos that excite a channel most",
            factory="tlcore_visualizers.feature_maps.visualizer:create",
            options=FeatureOptions,
            licence="MIT",
            needs_classifier=False,
        ),
        VisualizerSpec(
            name="explain",
            summary="which parts of an image speak for a class: Grad-CAM and five other methods, with scores",
            factory="tlcore_visualizers.saliency.visualizer:create",
            options=ExplainOptions,
            licence="MIT",
        ),
        VisualizerSpec(
            name="map",
            summary="a dataset laid out on a plane, like beside like, as a picture and a page",
            factory="tlcore_visualizers.embedding_map.visualizer:create",
            options=MapOptions,
            licence="MIT",
            needs_classifier=False,
        ),
    ]
