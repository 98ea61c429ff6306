"""Built-in plugin: looking into networks, and fooling them."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import VisualizerSpec
from tlcore_visualizers.ideal_options import IdealOptions

TLCORE_API_VERSION = 1


@hookimpl
def tlcore_visualizers() -> list[VisualizerSpec]:
    return [
        VisualizerSpec(
            name="ideal",
            summary="the ideal image of a class, drawn from noise by gradient ascent, with an honest score",
            factory="tlcore_visualizers.ideal:create",
            options=IdealOptions,
            licence="MIT",
        ),
    ]
