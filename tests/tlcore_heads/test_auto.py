from __future__ import annotations

import numpy as np
import pytest

from tests.tlcore_heads.points import accuracy, digits, none_of
from tlcore import HeadData
from tlcore.errors import HeadError
from tlcore_heads.auto import AutoHead
from tlcore_heads.options import AutoOptions

SPHERES = ("linear", "knn")


def rings(count: int, seed: int) -> HeadData:
    """Return two rings of directions that no line divides, and neighbours do."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, count)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) + random.normal(0, 0.02, (count, 2))
    return HeadData(features=points.astype(np.float32), labels=(np.floor(angle / (np.pi / 4)) % 2).astype(np.int64))


def test_it_takes_the_head_that_does_best_and_says_why() -> None:
    fit = AutoHead(AutoOptions(candidates=SPHERES)).fit(rings(300, 0), none_of(2), 2)
    assert fit.record["chosen"] == "knn"
    compared = fit.record["compared"]
    assert compared["knn"]["accuracy"]["value"] > 0.9 > 0.7 > compared["linear"]["accuracy"]["value"]
    assert fit.notes[0].startswith("head auto took knn: 9")
    assert "then linear" in fit.record["why"]
    assert accuracy(fit.head.logits(rings(200, 1).features), rings(200, 1)) > 0.9


def test_it_takes_the_linear_one_where_that_does_best() -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((200, 40)).astype(np.float32)
    data = HeadData(features=features, labels=(features[:, 0] > 0).astype(np.int64))
    fit = AutoHead(AutoOptions(candidates=SPHERES)).fit(data, none_of(40), 2)
    assert fit.record["chosen"] == "linear"
    assert fit.head.linear() is not None


@pytest.mark.parametrize("candidates", [SPHERES, ("knn", "mlp")], ids=["linear-among-them", "linear-not-among-them"])
def test_a_budget_too_small_is_told_and_falls_back_to_linear(candidates: tuple[str, ...]) -> None:
    fit = AutoHead(AutoOptions(seconds=0.0, candidates=candidates)).fit(digits(0, 100), none_of(), 10)
    assert fit.record["chosen"] == "linear"
    assert fit.record["passed_over"] == sorted(candidates, key=lambda name: name != "linear")
    assert fit.notes == ("head auto took linear: 0 seconds are too few to compare heads in; raise head.seconds",)


def test_who_does_not_finish_in_time_is_passed_over_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("tlcore.deadline.time.monotonic", lambda: float(next(clock)))
    fit = AutoHead(AutoOptions(seconds=30.0, candidates=("prototype", "mlp"), folds=2)).fit(digits(0, 100), none_of(), 10)
    assert fit.record["chosen"] == "prototype"
    assert fit.record["passed_over"] == ["mlp"]
    assert "no time for mlp" in fit.record["why"]


def test_with_one_image_per_class_there_is_nothing_to_compare_by() -> None:
    alone = HeadData(features=digits(0, 10).features, labels=np.arange(10))
    fit = AutoHead(AutoOptions()).fit(alone, none_of(), 10)
    assert fit.notes == ("head auto took linear: 10 training images are too few to compare heads by",)


def test_copies_of_an_image_share_a_fold() -> None:
    """With labels of noise, a nearest neighbour would foresee every copy if the copies were divided."""
    random = np.random.default_rng(0)
    features = np.repeat(random.standard_normal((60, 20)).astype(np.float32), 3, axis=0)
    data = HeadData(features=features, labels=np.repeat(random.integers(0, 2, 60), 3))
    fit = AutoHead(AutoOptions(candidates=("knn",))).fit(data, none_of(20), 2)
    assert fit.record["compared"]["knn"]["accuracy"]["value"] < 0.75


def test_restoring_finds_the_head_that_was_taken() -> None:
    head = AutoHead(AutoOptions(candidates=("prototype", "knn")))
    fitted = head.fit(digits(0, 100), none_of(), 10).head
    again = head.restore(fitted.tensors())
    np.testing.assert_array_equal(again.logits(digits(100, 120).features), fitted.logits(digits(100, 120).features))
    with pytest.raises(HeadError, match="an auto head is restored from the tensors of one head"):
        head.restore({"linear.weight": np.zeros((2, 2), np.float32), "knn.stored": np.zeros((2, 2), np.float32)})
