"""What training gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlcore.bundle import Bundle
from tlcore.dataset import LeftOut
from tlcore.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What training gave.

    Attributes:
        bundle: the classifier, saved and verified.
        metrics: split to its measures: ``"test"`` by the final head; ``"validation"`` by a fit that did not see it;
            ``"cross-validation"`` over all images, each by a fit that did not see it.
        counts: split to number of images used.
        majority: share of the largest class among the images measured, what guessing it always would score.
        left_out: images that could not be used, and why.
        notes: what a person should know of the data, one line each.
        engine: what computed the features, and why.
        seconds: wall time.
    """

    bundle: Bundle
    metrics: Mapping[str, Metrics]
    counts: Mapping[str, int]
    majority: float
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    engine: str
    seconds: float

    def _repr_html_(self) -> str:
        return self.bundle._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "bundle": str(self.bundle.path),
            "classes": list(self.bundle.record.classes),
            "metrics": {split: metrics.to_dict() for split, metrics in self.metrics.items()},
            "counts": dict(self.counts),
            "majority": self.majority,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "notes": list(self.notes),
            "engine": self.engine,
            "seconds": self.seconds,
        }
