"""Gradient boosted trees as a tlcore head."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore import HeadSpec, hookimpl

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class BoostedOptions:
    """Options of the trees."""

    trees: int = field(default=40, metadata={"help": "at most this many for each class", "minimum": 1, "maximum": 2000})
    depth: int = field(default=3, metadata={"help": "of a tree", "minimum": 1, "maximum": 8})
    learning_rate: float = field(default=0.2, metadata={"help": "what each tree adds", "minimum": 0.001, "maximum": 1.0})


@hookimpl
def tlcore_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="boosted",
            summary="gradient boosted trees, their number chosen on validation images",
            factory="tlcore_boosted.head:create",
            options=BoostedOptions,
            licence="MIT",
            homepage="https://scikit-learn.org",
        )
    ]
