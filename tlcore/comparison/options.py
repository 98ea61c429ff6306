"""What to compare, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlcore.comparison.judge import JudgeSettings
from tlcore.comparison.recommendation import Limits
from tlcore.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What to compare and how.

    Attributes:
        backbones, heads: names as `Registry.resolve` takes them; every backbone is tried with every head.
        minutes: after which it stops; small parts of the data then thin the candidates out first. None judges all on all.
        limits: what the recommended one may cost.
        reference: folder of photos like those the backbones were trained on; the distance of the data is taken to them.
        dataset_options: option name to value, for the dataset.
        settings: how candidates are judged.
        audit: look for copies first, and keep them in one fold.
        exclude: exclusion list of images to leave out.
    """

    backbones: tuple[str, ...]
    heads: tuple[str, ...] = ("linear",)
    minutes: float | None = None
    limits: Limits = field(default_factory=Limits)
    reference: Path | None = None
    dataset_options: Mapping[str, object] = field(default_factory=dict)
    settings: JudgeSettings = field(default_factory=JudgeSettings)
    audit: bool = True
    exclude: Path | None = None

    def __post_init__(self) -> None:
        for kind, names in (("backbone", self.backbones), ("head", self.heads)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if not names or not all(names):
                raise OptionError(f"name a {kind} or more to compare, separated by commas")
            if twice:
                raise OptionError(f"{kind} {twice[0]!r} is named twice; name it once")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"minutes must be above 0, got {self.minutes:g}")
        if self.settings.folds < 2:
            raise OptionError(f"folds must be at least 2, got {self.settings.folds}")
