from __future__ import annotations

import pytest

from tlcore.epsilon import parse_epsilon
from tlcore.errors import OptionError


@pytest.mark.parametrize(
    "given, expected",
    [("4/255", 4 / 255), ("0.03", 0.03), (0.5, 0.5), ("1", 1.0), (" 8 / 255 ", 8 / 255), ("1/255", 1 / 255)],
)
def test_fractions_and_numbers_are_read(given: str | float, expected: float) -> None:
    assert parse_epsilon(given) == pytest.approx(expected)


@pytest.mark.parametrize(
    "given, told",
    [
        ("0", "above 0"), ("-4/255", "above 0"), ("4", "4 levels of 255 are written 4/255"), ("1.01", "at most 1"),
        ("300", "at most 1"), ("nan", "a number or a fraction"), ("inf", "a number or a fraction"), ("4/0", "a fraction"),
        ("four", "'four'"), ("4/255/2", "a fraction"), ("", "a fraction"), ("0.001", "at least 1/255"),
    ],
)  # fmt: skip
def test_others_are_refused_in_one_line(given: str, told: str) -> None:
    with pytest.raises(OptionError, match=told) as caught:
        parse_epsilon(given)
    assert "\n" not in str(caught.value)


def test_l2_reaches_further_than_one() -> None:
    assert parse_epsilon("3", "l2") == 3.0
    with pytest.raises(OptionError, match="at most 1000"):
        parse_epsilon("1e9", "l2")
