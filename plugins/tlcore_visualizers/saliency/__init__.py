"""Which parts of a photo speak for a class: saliency maps, drawn over the photo and measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Method = Literal["grad-cam", "score-cam", "gradient", "smooth-grad", "integrated-gradients", "occlusion"]

METHODS: tuple[Method, ...] = get_args(Method)
"""Every method, in the order they are shown."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """Options of ``explain``."""

    method: Literal["grad-cam", "score-cam", "gradient", "smooth-grad", "integrated-gradients", "occlusion", "all"] = field(
        default="grad-cam", metadata={"help": "how to tell what matters; all = every one, side by side"}
    )
    layer: str | None = field(
        default=None, metadata={"help": "whose channels Grad-CAM and Score-CAM weigh; none = the deepest that serves"}
    )
    channels: int = field(
        default=128, metadata={"help": "of Score-CAM, those that vary most; a run of the network each", "minimum": 1}
    )
    steps: int = field(
        default=32,
        metadata={"help": "of the deletion and insertion scores; 0 = do not measure", "minimum": 0, "maximum": 1024},
    )

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods asked for, in the order they are shown."""
        return METHODS if self.method == "all" else (self.method,)
