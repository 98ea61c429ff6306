"""Built-in plugin: heads that learn a classifier from features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tlcore.hookspecs import hookimpl
from tlcore.specs import HeadSpec

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LinearOptions:
    """Options of the linear head."""

    regularisation: float | None = field(
        default=None, metadata={"help": "inverse strength C; none = chosen on validation images", "minimum": 1e-10}
    )
    max_iterations: int = field(
        default=1000, metadata={"help": "of L-BFGS for each strength", "minimum": 1, "maximum": 1_000_000}
    )
    class_weight: Literal["none", "balanced"] = field(
        default="none", metadata={"help": "balanced = each class weighs the same, however many images it has"}
    )


@hookimpl
def tlcore_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="linear",
            summary="multinomial logistic regression, its strength chosen on validation images",
            factory="tlcore_heads.linear:create",
            options=LinearOptions,
            licence="MIT",
        )
    ]
