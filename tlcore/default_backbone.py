"""Which backbone is used where none is named: a good one where it can be had, else the one in the box."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tlcore.backbone import Backbone
from tlcore.errors import WeightsUnavailableError
from tlcore.registry import Registry

DEFAULT_BACKBONE = "timm/mobilenetv2_100.ra_in1k"
"""A good compromise of accuracy and speed on a CPU; downloaded once."""

BACKBONE_IN_THE_BOX = "mini"
"""What stands in where `DEFAULT_BACKBONE` can neither be found nor fetched."""


def make_backbone(
    name: str | None, options: Mapping[str, object], registry: Registry, cache_directory: Path | None
) -> tuple[str, Backbone, tuple[str, ...]]:
    """Make the backbone that was named, or choose one.

    Args:
        name: as `Registry.resolve` takes it; None for the default, or the one in the box where there is no network.
        options: of the backbone.
        registry: where it is looked up.
        cache_directory: see `Registry.backbone`.

    Returns:
        its name, the backbone, and what a person should know of the choice (nothing, or one line).

    Raises:
        WeightsUnavailableError: the backbone was named and its weights cannot be had, or the one in the box is not here.
    """
    if name is not None:
        return name, registry.backbone(name, options, cache_directory=cache_directory), ()
    try:
        return DEFAULT_BACKBONE, registry.backbone(DEFAULT_BACKBONE, options, cache_directory=cache_directory), ()
    except WeightsUnavailableError:
        if not any(offer.spec.name == BACKBONE_IN_THE_BOX for offer in registry.offers("backbone")):
            raise
        note = (
            f"{DEFAULT_BACKBONE} cannot be fetched, so the small network in the box stands in; "
            "a larger one does better (Cats-vs-Dogs: 94 % here, 98 % there): run once with a network, or use local-dir:PATH"
        )
        return BACKBONE_IN_THE_BOX, registry.backbone(BACKBONE_IN_THE_BOX, options, cache_directory=cache_directory), (note,)
