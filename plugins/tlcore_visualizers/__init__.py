"""Built-in plugin: looking into networks, and fooling them."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import VisualizerSpec

TLCORE_API_VERSION = 1


@hookimpl
def tlcore_visualizers() -> list[VisualizerSpec]:
    return []
