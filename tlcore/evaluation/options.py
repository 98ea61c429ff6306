"""What to measure, and how strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tlcore.errors import OptionError

UnknownClasses = Literal["wrong", "leave-out"]
TestTime = Literal["none", "flip", "crops"]
LabelErrors = Literal["auto", "yes", "no"]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """How to evaluate.

    Attributes:
        class_map: dataset class to the model's class it stands for; several may stand for one.
        unknown_classes: images of classes the model does not know count as ``"wrong"``, or are left out.
        slices: metadata columns to measure by; without any, those that have 2 to 20 values.
        test_time: average each image's mirror image (``"flip"``), or five crops and their mirror images (``"crops"``), too.
        label_errors: look for wrong labels; ``"auto"`` does where it takes seconds or minutes.
        folds: of the cross-validation that wrong labels are looked for by.
        false_alarm_rate: share of familiar images that may be called unfamiliar, above 0 and below 1.
        resamples: of each bootstrap, at least 100.
        seed: of the bootstrap and the folds.
        shown: how many images each list of mistakes names.

    Raises:
        OptionError: a value is out of its range.
    """

    class_map: Mapping[str, str] = field(default_factory=dict)
    unknown_classes: UnknownClasses = "wrong"
    slices: tuple[str, ...] = ()
    test_time: TestTime = "none"
    label_errors: LabelErrors = "auto"
    folds: int = 5
    false_alarm_rate: float = 0.05
    resamples: int = 1000
    seed: int = 0
    shown: int = 24

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_rate < 1:
            raise OptionError(f"the false-alarm rate must lie between 0 and 1, got {self.false_alarm_rate}")
        for name, least in (("folds", 2), ("resamples", 100), ("shown", 1)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} must be at least {least}, got {getattr(self, name)}")
