from __future__ import annotations

import pytest

from tlcore.comparison.backbone_cost import BackboneCost
from tlcore.comparison.recommendation import Limits, Ranked, parse_limits, quickest_of_the_best
from tlcore.errors import OptionError
from tlcore.mcnemar import McNemar
from tlcore.metrics import Share


def cost(milliseconds: float, megabytes: float = 10.0, macs: float | None = 3e8) -> BackboneCost:
    return BackboneCost(images_per_second=100.0, milliseconds=milliseconds, megabytes=megabytes, macs=macs)


def ranked(right: int, milliseconds: float, p_value: float = 1.0) -> Ranked:
    test = McNemar(only_first=0, only_second=0, p_value=p_value)
    return Ranked(accuracy=Share.of(right, 1000), cost=cost(milliseconds), against_best=test)


@pytest.mark.parametrize(
    ("text", "limits"),
    [("cpu 50 ms", Limits(milliseconds=50.0)),
     ("50ms", Limits(milliseconds=50.0)),
     ("CPU 12.5 ms, 20 MB", Limits(milliseconds=12.5, megabytes=20.0)),
     ("300 MMACs", Limits(macs=3e8)),
     ("1.5 gmac 8 mb", Limits(macs=1.5e9, megabytes=8.0))],
)  # fmt: skip
def test_limits_are_read_as_people_write_them(text: str, limits: Limits) -> None:
    assert parse_limits(text) == limits


@pytest.mark.parametrize("text", ["", "fast", "50", "gpu 50 ms", "cpu", "50 s", "cpu 50 ms please"])
def test_other_limits_are_told(text: str) -> None:
    with pytest.raises(OptionError, match="limits are written like 'cpu 50 ms', '20 MB' or '300 MMACs'"):
        parse_limits(text)


def test_what_is_over_a_limit_is_not_allowed() -> None:
    assert Limits(milliseconds=50.0).allow(cost(50.0))
    assert not Limits(milliseconds=49.0).allow(cost(50.0))
    assert not Limits(megabytes=9.0).allow(cost(1.0))
    assert not Limits(macs=1e12).allow(cost(1.0, macs=None))


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [([ranked(900, 80.0), ranked(896, 20.0), ranked(800, 1.0)], 1),
     ([ranked(900, 80.0), ranked(896, 20.0, p_value=0.01), ranked(800, 1.0)], 0),
     ([ranked(900, 80.0), ranked(894, 20.0)], 0),
     ([ranked(900, 80.0), ranked(900, 20.0)], 1),
     ([], None)],
    ids=["within-half-a-point", "significantly-worse", "more-than-half-a-point", "equal", "none"],
)  # fmt: skip
def test_the_quickest_not_clearly_worse_is_taken(entries: list[Ranked], chosen: int | None) -> None:
    assert quickest_of_the_best(entries) == chosen
