from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, top_k_accuracy_score

from tlcore.metrics import Share, fit_temperature, measure


def test_they_equal_scikit_learns() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 8, 200)
    logits = random.normal(size=(200, 8)) + 1.5 * np.eye(8)[labels]
    probabilities = softmax(logits, axis=1).astype(np.float32)
    metrics = measure(probabilities, labels, [f"class {index}" for index in range(8)])
    predicted = probabilities.argmax(axis=1)
    assert metrics.top1.value == accuracy_score(labels, predicted)
    assert metrics.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert metrics.log_loss == pytest.approx(
        log_loss(labels, probabilities.astype(np.float64) / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)),
        rel=1e-5,
    )
    assert metrics.top5 is not None
    assert metrics.top5.value == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5))
    assert sum(map(sum, metrics.confusion)) == 200


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_wilson_intervals_equal_published_ones(correct: int, total: int, low: float, high: float) -> None:
    """Values of Newcombe 1998, Two-sided confidence intervals for the single proportion, method 3."""
    share = Share.of(correct, total)
    assert (share.low, share.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("correct", "total"), [(0, 1), (1, 1), (0, 37), (36, 37), (98, 100), (12345, 99999)])
def test_wilson_intervals_equal_scipys(correct: int, total: int) -> None:
    share, theirs = Share.of(correct, total), binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert (share.low, share.high) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high, abs=1e-12))


def test_a_share_of_nothing_says_nothing() -> None:
    assert (Share.of(0, 0).low, Share.of(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_temperature_is_found_again(true: float) -> None:
    random = np.random.default_rng(1)
    calibrated = random.normal(size=(20000, 4)) * 2
    labels = np.array([random.choice(4, p=row) for row in softmax(calibrated, axis=1)])
    assert fit_temperature((calibrated * true).astype(np.float32), labels) == pytest.approx(true, rel=0.05)
