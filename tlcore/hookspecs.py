"""The hooks a plugin may implement. This page is the whole contract between tlcore and its plugins.

A plugin is an installed distribution with an entry point in the group ``tlcore`` that names a module::

    [project.entry-points.tlcore]
    my-plugin = "tlcore_my_plugin"

and that module implements any of the hooks below with ``tlcore.hookimpl``. A hook lists; it must be quick and import
nothing heavy. What computes is named by each spec's ``factory`` and is imported when somebody asks for it by name.

A module may state ``TLCORE_API_VERSION = 1``, the plugin API it was written for (`tlcore.specs.API_VERSION`); a plugin that
needs a newer one than this core speaks is reported and not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from tlcore.specs import BackboneSpec, DatasetSpec, FineTuneSpec, HeadSpec, ObserverSpec, VisualizerSpec

hookspec = pluggy.HookspecMarker("tlcore")
hookimpl = pluggy.HookimplMarker("tlcore")


@hookspec
def tlcore_backbones() -> Sequence[BackboneSpec]:  # type: ignore[empty-body]
    """List pretrained networks. Factory: ``(argument: str | None, options) -> tlcore.Backbone``."""


@hookspec
def tlcore_datasets() -> Sequence[DatasetSpec]:  # type: ignore[empty-body]
    """List datasets, or ways to read them. Factory: ``(argument: str | None, options) -> tlcore.Dataset``."""


@hookspec
def tlcore_heads() -> Sequence[HeadSpec]:  # type: ignore[empty-body]
    """List heads that fit on features. Factory: ``(argument: str | None, options) -> tlcore.Head``."""


@hookspec
def tlcore_visualizers() -> Sequence[VisualizerSpec]:  # type: ignore[empty-body]
    """List ways to look into a network. Factory: ``(argument: str | None, options) -> tlcore.Visualizer``."""


@hookspec
def tlcore_finetunes() -> Sequence[FineTuneSpec]:  # type: ignore[empty-body]
    """List ways to train the network itself. Factory: ``(argument: str | None, options) -> tlcore.FineTuner``."""


@hookspec
def tlcore_observers() -> Sequence[ObserverSpec]:  # type: ignore[empty-body]
    """List listeners to fine-tuning. Factory: ``(argument: str | None, options) -> tlcore.Observer``."""
