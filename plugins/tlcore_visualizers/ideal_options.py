"""What ``--set ideal.NAME=VALUE`` sets. Imports nothing heavy: listings read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tlcore.errors import OptionError


def _preset(told: str, minimum: int | float | None = None, maximum: int | float | None = None) -> Any:
    """Return a field whose value is the preset's unless it is set."""
    return field(default=None, metadata={"help": told, "minimum": minimum, "maximum": maximum})


@dataclass(frozen=True, kw_only=True)
class IdealOptions:
    """Options of the ideal image. Those that are none come from the preset."""

    preset: Literal["default", "lesson-noise", "lesson-tv", "maco"] = field(
        default="default",
        metadata={"help": "a whole set of options; lesson-noise and lesson-tv are the plain ways, without and with tv"},
    )
    seconds: float | None = field(
        default=None,
        metadata={
            "help": "time for each image; what is left after one seed goes to others, the best is kept",
            "minimum": 0.1,
        },
    )
    seeds: int = field(default=1, metadata={"help": "how many to try without a time", "minimum": 1, "maximum": 1000})
    count: int = field(
        default=1,
        metadata={"help": "images of each class, drawn together and unlike each other", "minimum": 1, "maximum": 16},
    )
    diversity: float = field(default=1.0, metadata={"help": "weight of their unlikeness, where count > 1", "minimum": 0.0})
    mix: float | None = field(
        default=None,
        metadata={"help": "draw one image of two classes: the share of the first", "minimum": 0.0, "maximum": 1.0},
    )
    layer: str = field(default="", metadata={"help": "excite this layer instead of a class"})
    channel: int | None = field(default=None, metadata={"help": "of the layer", "minimum": 0})
    neuron: bool = field(default=False, metadata={"help": "the channel's middle alone, not its mean"})
    direction: str = field(
        default="", metadata={"help": "in the layer's channels: CHANNEL:WEIGHT, more after ';', for instance 3:1;7:-0.5"}
    )
    size: int | None = field(
        default=None, metadata={"help": "side in pixels; none = what the network crops its input from", "minimum": 16,
                                "maximum": 2048}
    )  # fmt: skip
    natural: int = field(
        default=3, metadata={"help": "likeliest images of the dataset shown beside it", "minimum": 0, "maximum": 24}
    )
    natural_from: int = field(default=500, metadata={"help": "how many of the dataset's images are looked at", "minimum": 1})
    parameterisation: Literal["fourier", "maco", "pixels"] | None = _preset(
        "what is changed: waves, their phases alone (needs a dataset), or pixels"
    )
    loss: Literal["margin", "logit", "probability"] | None = _preset(
        "margin = logit less all others' log-sum; probability = cross-entropy"
    )
    optimiser: Literal["adam", "momentum", "sgd"] | None = _preset("which")
    learning_rate: float | None = _preset("of the optimiser", minimum=1e-6, maximum=1e6)
    steps: int | None = _preset("of the optimiser", minimum=1, maximum=100_000)
    views: int | None = _preset("random views of the image in each step", minimum=1, maximum=64)
    scale: tuple[float, float] | None = _preset("least and greatest magnification of a view, LOW,HIGH")
    rotation: float | None = _preset("of a view to either side, degrees", minimum=0.0, maximum=180.0)
    shift: float | None = _preset("of a view, share of its side", minimum=0.0, maximum=1.0)
    noise: tuple[float, float] | None = _preset("added to a view's pixels, deviation: at first and at last, FIRST,LAST")
    mirror: bool | None = _preset("every other view in a mirror, by chance")
    colour: float | None = _preset("how far contrast and colours of views differ", minimum=0.0, maximum=2.0)
    view_blur: float | None = _preset("greatest blur of a view, pixels", minimum=0.0, maximum=16.0)
    small_views: float | None = _preset(
        "share of the steps, the first, whose views are smaller: about 0.7 of the input's side", minimum=0.0, maximum=1.0
    )
    drop: float | None = _preset("share of channels switched off at random", minimum=0.0, maximum=0.9)
    tv: float | None = _preset("weight of total variation", minimum=0.0)
    l2: float | None = _preset("weight of the distance from grey", minimum=0.0)
    blur: float | None = _preset("weight of the distance from the blurred image", minimum=0.0)
    remembered: float | None = _preset(
        "weight of the distance of its channels from what batch normalisations remember of photographs", minimum=0.0
    )
    decay: float | None = _preset("how fast waves weaken with frequency", minimum=0.0, maximum=3.0)
    companion_weight: float | None = _preset(
        "weight of what each companion makes of it, beside the network itself", minimum=0.0
    )

    def __post_init__(self) -> None:
        if self.scale is not None and not 0.05 <= self.scale[0] <= self.scale[1] <= 20:
            raise OptionError(f"scale must rise from low to high, both from 0.05 to 20, got {self.scale[0]},{self.scale[1]}")
        if self.noise is not None and not all(0 <= value <= 2 for value in self.noise):
            raise OptionError(f"noise must lie between 0 and 2, at first and at last, got {self.noise[0]},{self.noise[1]}")
