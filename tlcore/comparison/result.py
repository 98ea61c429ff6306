"""What comparing gave: a row for each candidate, and which one to take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tlcore.comparison.backbone_cost import BackboneCost
from tlcore.comparison.domain_distance import DomainDistance
from tlcore.comparison.recommendation import Limits
from tlcore.dataset import LeftOut
from tlcore.mcnemar import McNemar
from tlcore.metrics import Share


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One candidate's result.

    Attributes:
        backbone, head: its names.
        share: of the images it was judged on, in (0, 1].
        images: how many that are.
        accuracy: by cross-validation.
        log_loss: likewise.
        against_best: the test against the most accurate judged on the same images; None for itself and where there is none.
        cost: of the backbone, here.
        distance: of the data from the reference photos; None where none were given.
        engine: what computed its features.
    """

    backbone: str
    head: str
    share: float
    images: int
    accuracy: Share
    log_loss: float
    against_best: McNemar | None
    cost: BackboneCost
    distance: DomainDistance | None
    engine: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "share": self.share,
            "images": self.images,
            "accuracy": self.accuracy.to_dict(),
            "log_loss": self.log_loss,
            "against_best": self.against_best.to_dict() if self.against_best else None,
            "cost": self.cost.to_dict(),
            "distance": self.distance.to_dict() if self.distance else None,
            "engine": self.engine,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What comparing gave.

    Attributes:
        dataset: its name.
        classes: how many it has.
        images: how many it has, those left out included.
        folds: of the cross-validation.
        rows: the candidates, those judged on most images first, then the most accurate.
        limits: what the recommended one may cost.
        recommended: position in `rows` of the one to take; None where none is within the limits.
        complete: False where the time was over before all were judged.
        left_out: images that could not be read.
        notes: what a person should know, one line each.
        seconds: wall time.
    """

    dataset: str
    classes: int
    images: int
    folds: int
    rows: tuple[Compared, ...]
    limits: Limits
    recommended: int | None
    complete: bool
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        return {
            "dataset": self.dataset,
            "classes": self.classes,
            "images": self.images,
            "folds": self.folds,
            "rows": [row.to_dict() for row in self.rows],
            "limits": asdict(self.limits),
            "recommended": self.recommended,
            "complete": self.complete,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
