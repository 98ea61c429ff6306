"""What measuring a learning curve gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tlcore.dataset import LeftOut
from tlcore.learning_curve.extrapolation import Extrapolation
from tlcore.metrics import Share


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """What so many images were worth.

    Attributes:
        images: learnt from, validation images included.
        per_class: of each class, on average.
        accuracy: mean over the draws, in [0, 1].
        lowest, highest: of the draws.
    """

    images: int
    per_class: float
    accuracy: float
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """A learning curve.

    Attributes:
        dataset, backbone, head: names.
        classes: how many.
        test_images: how many it was measured on.
        repeats: draws of each size but the largest, of which there is one way.
        points: from few images to all.
        accuracy: with all images, with its interval.
        extrapolation: what more would bring.
        left_out: images that could not be read.
        notes: what a person should know, one line each.
        seconds: wall time.
    """

    dataset: str
    backbone: str
    head: str
    classes: int
    test_images: int
    repeats: int
    points: tuple[CurvePoint, ...]
    accuracy: Share
    extrapolation: Extrapolation
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON-ready values."""
        return {
            **{name: getattr(self, name) for name in ("dataset", "backbone", "head", "classes", "test_images", "repeats")},
            "points": [asdict(point) for point in self.points],
            "accuracy": self.accuracy.to_dict(),
            "extrapolation": self.extrapolation.to_dict(),
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
