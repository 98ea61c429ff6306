"""Built-in plugin: a small pretrained backbone in the box, so that transfer learning works on a machine with no network."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore.hookspecs import hookimpl
from tlcore.specs import BackboneSpec

TLCORE_API_VERSION = 1

LICENCE = "trained on ImageNet and Asirra photos, whose terms allow research use"


@dataclass(frozen=True, kw_only=True)
class DirectoryOptions:
    """Options of a network of ours read from a directory."""

    image_size: int | None = field(
        default=None, metadata={"help": "input side in pixels; none = the network's own", "minimum": 32, "maximum": 1024}
    )


@dataclass(frozen=True, kw_only=True)
class MiniOptions(DirectoryOptions):
    """Options of the network in the box."""

    pretrained: bool = field(default=True, metadata={"help": "false = the same network with random weights"})
    seed: int = field(default=0, metadata={"help": "of random weights", "minimum": 0})


@hookimpl
def tlcore_backbones() -> list[BackboneSpec]:
    """List the network in the box, and the reader of bundles made with it."""
    return [
        BackboneSpec(
            name="mini",
            summary="the small network in the box: 2 M weights, 128 px, needs no download",
            factory="tlcore_mini.factories:from_package",
            identity="tlcore_mini.identity:of_package",
            options=MiniOptions,
            licence=LICENCE,
        ),
        BackboneSpec(
            name="mini-dir",
            summary="the small network from a directory with config.json and model.safetensors",
            factory="tlcore_mini.factories:from_directory",
            identity="tlcore_mini.identity:of_directory",
            options=DirectoryOptions,
            argument="PATH",
            licence=LICENCE,
        ),
    ]
