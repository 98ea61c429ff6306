"""What the layers of a network find: filters, feature maps, and the images that excite a channel most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Options of ``features``."""

    layers: bool = field(default=False, metadata={"help": "list the layers and do nothing else"})
    layer: tuple[str, ...] = field(
        default=(), metadata={"help": "names of layers, separated by commas; none = the last at each size of grid"}
    )
    channels: tuple[int, ...] = field(
        default=(), metadata={"help": "numbers of channels, from 0, separated by commas; none = those that vary most"}
    )
    most: int = field(
        default=23, metadata={"help": "how many channels, where none are named", "minimum": 1, "maximum": 4096}
    )
    scale: Literal["own", "shared"] = field(
        default="own", metadata={"help": "own = each map up to its own highest; shared = all to one"}
    )
    examples: int = field(
        default=6, metadata={"help": "images of the dataset to show for each channel", "minimum": 1, "maximum": 24}
    )
