from __future__ import annotations

import numpy as np

from tlcore.comparison.halving import halve
from tlcore.comparison.judgement import Judgement
from tlcore.deadline import OutOfTimeError


def judgement(rate: float, log_loss: float = 1.0) -> Judgement:
    return Judgement(correct=np.arange(100) < 100 * rate, log_loss=log_loss, seconds=0.0)


def test_the_better_half_goes_on_and_the_best_first() -> None:
    rates = {"a": 0.5, "b": 0.9, "c": 0.7, "d": 0.8, "e": 0.6}
    seen: list[tuple[str, float]] = []

    def judge(name: str, share: float) -> Judgement:
        seen.append((name, share))
        return judgement(rates[name])

    found = halve(list(rates), (0.25, 0.5, 1.0), judge)
    assert found.complete
    assert [name for name, share in seen if share == 0.5] == ["b", "d", "c"]
    assert [name for name, share in seen if share == 1.0] == ["b", "d"]
    assert {name: share for name, (share, _) in found.judged.items()} == {"a": 0.25, "b": 1.0, "c": 0.5, "d": 1.0, "e": 0.25}


def test_equal_accuracies_are_ranked_by_log_loss() -> None:
    found = halve(["a", "b"], (0.5, 1.0), lambda name, _: judgement(0.5, {"a": 2.0, "b": 1.0}[name]))
    assert {name: share for name, (share, _) in found.judged.items()} == {"a": 0.5, "b": 1.0}


def test_when_time_is_over_what_was_judged_stays() -> None:
    def judge(name: str, share: float) -> Judgement:
        if (name, share) == ("b", 0.5):
            raise OutOfTimeError
        return judgement({"a": 0.9, "b": 0.8, "c": 0.1, "d": 0.2}[name])

    found = halve(["a", "b", "c", "d"], (0.25, 0.5, 1.0), judge)
    assert not found.complete
    assert {name: share for name, (share, _) in found.judged.items()} == {"a": 0.5, "b": 0.25, "c": 0.25, "d": 0.25}
