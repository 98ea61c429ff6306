"""Histograms of oriented gradients as a tlcore backbone."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore import BackboneSpec, hookimpl

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class HogOptions:
    """Options of the histograms."""

    cell: int = field(default=8, metadata={"help": "side of a cell in pixels", "minimum": 4, "maximum": 32})
    orientations: int = field(default=9, metadata={"help": "directions told apart", "minimum": 2, "maximum": 36})
    image_size: int = field(default=64, metadata={"help": "side of the image in pixels", "minimum": 32, "maximum": 512})


@hookimpl
def tlcore_backbones() -> list[BackboneSpec]:
    return [
        BackboneSpec(
            name="hog",
            summary="histograms of oriented gradients: no network, no weights",
            factory="tlcore_hog.backbone:create",
            options=HogOptions,
            licence="MIT",
            homepage="https://scikit-image.org",
        )
    ]
