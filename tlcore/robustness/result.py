"""What a bundle is worth under attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlcore.dataset import LeftOut
from tlcore.metrics import Share

WORST = "worst of all"
"""Name of the curve that counts an image as robust only where every attack failed."""


@dataclass(frozen=True, kw_only=True)
class RobustPoint:
    """One point of a curve: the share of images still named rightly under one attack."""

    attack: str
    epsilon: float
    accuracy: Share

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-ready values."""
        return {"attack": self.attack, "epsilon": self.epsilon, "accuracy": self.accuracy.to_dict()}


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What a bundle is worth under attack.

    Attributes:
        dataset, split: what was measured on.
        images: how many were measured.
        planned: how many were to be.
        ended: why there are fewer: ``""``, ``"time"`` or ``"interrupted"``.
        seen: passed over because the bundle was trained on the same file.
        left_out: could not be read.
        clean: the accuracy without an attack.
        points: by attack, then by epsilon; the last attack is `WORST`.
        norm: what epsilon is measured by.
        seconds: what it took.
        seed, versions, options: to repeat it.
    """

    dataset: str
    split: str
    images: int
    planned: int
    ended: str
    seen: int
    left_out: tuple[LeftOut, ...]
    clean: Share
    points: tuple[RobustPoint, ...]
    norm: str
    seconds: float
    seed: int
    versions: Mapping[str, str]
    options: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **values,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "clean": self.clean.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "versions": dict(self.versions),
            "options": dict(self.options),
        }
