"""Epsilon: how far a pixel may be changed, always in units of pixel values, where white is 1."""

from __future__ import annotations

import math
from typing import Literal

from tlcore.errors import OptionError

Norm = Literal["linf", "l2"]

LEVELS = 255
"""Steps between black and white in an 8-bit picture."""

_LARGEST_L2 = 1000.0
"""No picture of a usual size is further than this from another (512 x 512 RGB: 887)."""


def parse_epsilon(given: str | float, norm: Norm = "linf") -> float:
    """Read an epsilon as a fraction or a number, in units of pixel values.

    Args:
        given: ``"4/255"``, ``"0.03"`` or a number; never in units of normalised inputs.
        norm: ``"linf"``, the largest change of a pixel, at most 1; ``"l2"``, the length of the whole change.

    Raises:
        OptionError: not a number, 0 or below, above 1 (Linf), or so small that no 8-bit picture but the original is within.

    Examples:
        >>> parse_epsilon("4/255") == 4 / 255
        True
    """
    epsilon = _number(given)
    largest = 1.0 if norm == "linf" else _LARGEST_L2
    if not 0 < epsilon <= largest:
        hint = f"; {epsilon:g} levels of 255 are written {epsilon:g}/255" if norm == "linf" and 1 < epsilon <= LEVELS else ""
        raise OptionError(
            f"epsilon is in units of pixel values, above 0 and at most {largest:g} ({norm}), for instance 4/255; "
            f"got {given}{hint}"
        )
    if epsilon * LEVELS < 1 - 1e-9:
        raise OptionError(
            f"epsilon {given} is less than one level of an 8-bit picture: no picture but the original lies within it; "
            f"take at least 1/255"
        )
    return epsilon


def _number(given: str | float) -> float:
    top, slash, bottom = str(given).partition("/")
    try:
        epsilon = float(top) / float(bottom) if slash else float(top)
    except (ValueError, ZeroDivisionError):
        epsilon = math.nan
    if not math.isfinite(epsilon):
        raise OptionError(f"epsilon must be a number or a fraction such as 4/255, got {given!r}")
    return epsilon


def in_levels(epsilon: float) -> str:
    """Return an epsilon as people read it.

    >>> in_levels(4 / 255), in_levels(0.01)
    ('4/255', '2.55/255')
    """
    return f"{round(epsilon * LEVELS, 2):g}/255"
