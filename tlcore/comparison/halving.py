"""Successive halving: all candidates on a small part of the data, the better half of them on a larger part, and so on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tlcore.comparison.judgement import Judgement
from tlcore.deadline import OutOfTimeError

Candidate = TypeVar("Candidate", bound=Hashable)

SHARES = (0.25, 0.5, 1.0)
"""Parts of the data the rounds see."""

LEAST_IMAGES = 100
"""A part of fewer images judges nobody."""


@dataclass(frozen=True)
class Halving(Generic[Candidate]):
    """How it went.

    Attributes:
        judged: candidate to (share of the data, judgement) of the last round it got through.
        complete: False where time was over first.
    """

    judged: dict[Candidate, tuple[float, Judgement]]
    complete: bool


def halve(
    candidates: Sequence[Candidate], shares: Sequence[float], judge: Callable[[Candidate, float], Judgement]
) -> Halving[Candidate]:
    """Judge candidates on growing shares, each time keeping the better half, rounded up, until all shares are used.

    Args:
        candidates: in the order they are judged in; the best of a round go first in the next.
        shares: of the data, growing, the last usually 1; a single one judges everybody on it.
        judge: may raise `OutOfTimeError`, which ends it with what was judged so far.

    Source: Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization.
    """
    judged: dict[Candidate, tuple[float, Judgement]] = {}
    staying = list(candidates)
    try:
        for number, share in enumerate(shares):
            for candidate in staying:
                judged[candidate] = (share, judge(candidate, share))
            if number + 1 < len(shares):
                ranked = sorted(staying, key=lambda candidate: standing(judged[candidate][1]))
                staying = ranked[: (len(staying) + 1) // 2]
    except OutOfTimeError:
        return Halving(judged, complete=False)
    return Halving(judged, complete=True)


def standing(judgement: Judgement) -> tuple[float, float]:
    """Return what candidates are sorted by: the more often right first, then the smaller log-loss.

    >>> import numpy as np
    >>> standing(Judgement(correct=np.array([True, False]), log_loss=0.7, seconds=1.0))
    (-0.5, 0.7)
    """
    return -float(judgement.correct.mean()), judgement.log_loss


def useful_shares(images: int, candidates: int) -> tuple[float, ...]:
    """Return the shares worth a round: those of `LEAST_IMAGES` and more, and only the whole for one or two candidates.

    >>> useful_shares(1000, 6), useful_shares(300, 6), useful_shares(1000, 2)
    ((0.25, 0.5, 1.0), (0.5, 1.0), (1.0,))
    """
    if candidates <= 2:
        return (1.0,)
    return tuple(share for share in SHARES if share == 1.0 or share * images >= LEAST_IMAGES)
