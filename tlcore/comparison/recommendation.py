"""Which of the candidates that were compared to take, within limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tlcore.comparison.backbone_cost import BackboneCost
from tlcore.errors import OptionError
from tlcore.mcnemar import McNemar
from tlcore.metrics import Share

CLOSE = 0.005
"""Accuracy that may be given up for speed: half a point."""

SIGNIFICANT = 0.05

_LIMIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|MB|GMACs?|MMACs?)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a network may cost at most; None is no limit.

    Attributes:
        milliseconds: for one image, through the network alone, on this machine.
        megabytes: of weights as float32.
        macs: multiplications with addition for one image.
    """

    milliseconds: float | None = None
    megabytes: float | None = None
    macs: float | None = None

    def allow(self, cost: BackboneCost) -> bool:
        """Tell whether a cost is within the limits; an unknown number of MACs is within none."""
        pairs = (
            (self.milliseconds, cost.milliseconds),
            (self.megabytes, cost.megabytes),
            (self.macs, cost.macs if cost.macs is not None else float("inf")),
        )
        return all(limit is None or value <= limit for limit, value in pairs)


def parse_limits(text: str) -> Limits:
    """Read limits as people write them: ``"cpu 50 ms"``, ``"20 MB"``, ``"cpu 50 ms 20 MB 400 MMACs"``.

    Raises:
        OptionError: there is something else in it, or no limit.

    Examples:
        >>> parse_limits("cpu 50 ms 20 MB")
        Limits(milliseconds=50.0, megabytes=20.0, macs=None)
    """
    left = re.sub(r"\bcpu\b|,", " ", _LIMIT.sub(" ", text), flags=re.IGNORECASE).strip()
    found = {
        unit.lower().rstrip("s") if unit.lower() != "ms" else "ms": float(value) for value, unit in _LIMIT.findall(text)
    }
    if left or not found:
        told = f"{left!r} in it is none" if left else "there is none in it"
        raise OptionError(f"limits are written like 'cpu 50 ms', '20 MB' or '300 MMACs', got {text!r}: {told}")
    macs = found.get("mmac", 0.0) * 1e6 or found.get("gmac", 0.0) * 1e9 or None
    return Limits(milliseconds=found.get("ms"), megabytes=found.get("mb"), macs=macs)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """What the choice is made by.

    Attributes:
        accuracy: by cross-validation.
        cost: of its backbone.
        against_best: the test against the most accurate within the limits.
    """

    accuracy: Share
    cost: BackboneCost
    against_best: McNemar


def quickest_of_the_best(ranked: Sequence[Ranked]) -> int | None:
    """Return the position of the quickest among those not clearly worse than the best; None of none.

    Clearly worse is more than half a point below it, or significantly (p below 0.05) below it by the exact McNemar test.
    """
    if not ranked:
        return None
    best = max(entry.accuracy.value for entry in ranked)
    close = [
        index
        for index, entry in enumerate(ranked)
        if entry.accuracy.value >= best - CLOSE
        and (entry.accuracy.value == best or entry.against_best.p_value >= SIGNIFICANT)
    ]
    return min(close, key=lambda index: (ranked[index].cost.milliseconds, -ranked[index].accuracy.value))
