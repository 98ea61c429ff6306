"""Every number equals scikit-learn's or scipy's on the same predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.tlcore.evaluation.made import made_predictions
from tlcore.errors import TlcoreError
from tlcore.evaluation.abstention import abstention
from tlcore.evaluation.calibration import BINS, error_interval, reliability
from tlcore.evaluation.confusion import confused_cells, most_confused
from tlcore.evaluation.curve_areas import columns, estimate_areas
from tlcore.evaluation.curves import one_against_rest
from tlcore.evaluation.intervals import BCA_UP_TO, Estimate, bootstrap, bootstrap_mean, jackknife_logit
from tlcore.evaluation.mistakes import least_confident, top_losses
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.quality import measure_quality
from tlcore.metrics import measure
from tlcore.progress import silent

PREDICTIONS = made_predictions()
CURVES = one_against_rest(PREDICTIONS, silent)
LABELS, ANSWERS = PREDICTIONS.labels, PREDICTIONS.predicted
EXACT = PREDICTIONS.probabilities.astype(np.float64) / PREDICTIONS.probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
QUALITY = measure_quality(PREDICTIONS, resamples=200, seed=0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (QUALITY.balanced_accuracy.value, metrics.balanced_accuracy_score(LABELS, ANSWERS)),
        (QUALITY.macro_f1.value, metrics.f1_score(LABELS, ANSWERS, average="macro")),
        (QUALITY.micro_f1.value, metrics.f1_score(LABELS, ANSWERS, average="micro")),
        (QUALITY.log_loss.value if QUALITY.log_loss else None, metrics.log_loss(LABELS, EXACT)),
        (QUALITY.brier.value, metrics.brier_score_loss(LABELS, EXACT, labels=np.arange(7), scale_by_half=False)),
        (measure(PREDICTIONS.probabilities, LABELS, "abcdefg").log_loss, metrics.log_loss(LABELS, EXACT)),
        (CURVES.macro_area.value, metrics.roc_auc_score(LABELS, EXACT, multi_class="ovr")),
        (
            CURVES.macro_average_precision.value,
            metrics.average_precision_score(np.eye(7)[LABELS], EXACT, average="macro"),
        ),
    ],
    ids=["balanced", "macro F1", "micro F1", "log-loss", "Brier", "log-loss of training", "ROC area", "average precision"],
)
def test_measures_equal_scikit_learns(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_numbers_of_each_class_equal_scikit_learns() -> None:
    precision, recall, f1, support = metrics.precision_recall_fscore_support(LABELS, ANSWERS)
    for index, entry in enumerate(QUALITY.classes):
        assert entry.precision is not None and entry.recall is not None
        assert (entry.precision.value, entry.recall.value) == (pytest.approx(precision[index]), pytest.approx(recall[index]))
        assert (entry.f1, entry.support) == (pytest.approx(f1[index]), support[index])


def test_the_confusion_cells_equal_scikit_learns_matrix() -> None:
    matrix = np.zeros((7, 7), int)
    for true, predicted, count in confused_cells(PREDICTIONS):
        matrix[true, predicted] = count
    assert (matrix == metrics.confusion_matrix(LABELS, ANSWERS)).all()
    np.fill_diagonal(matrix, 0)
    worst = most_confused(PREDICTIONS)[0]
    assert worst.count == matrix.max()


def test_calibration_error_is_the_mean_gap_of_fifteen_bins() -> None:
    error = 0.0
    for index in range(BINS):
        inside = (PREDICTIONS.confidence > index / BINS) & (PREDICTIONS.confidence <= (index + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(PREDICTIONS.correct[inside].mean() - PREDICTIONS.confidence[inside].mean())
    assert QUALITY.calibration_error.value == pytest.approx(error, rel=1e-5)
    bins = reliability(PREDICTIONS)
    assert sum(entry.right.total for entry in bins) == 300
    assert sum(entry.right.correct for entry in bins) == PREDICTIONS.correct.sum()


@pytest.mark.parametrize("too_sure", [0.0, 0.1, 0.25])
def test_the_interval_of_the_calibration_error_holds_the_truth(too_sure: float) -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1.0, (250, 200))
    correct = random.random((250, 200)) < confidence - too_sure
    found = [error_interval(*drawn, resamples=200, seed=0) for drawn in zip(confidence, correct, strict=True)]
    held = [estimate.low <= too_sure <= estimate.high for estimate in found if estimate.low is not None and estimate.high]
    assert len(held) == 250 and 0.92 <= np.mean(held) <= 0.98
    assert np.median([estimate.high - estimate.low for estimate in found]) < 0.15


@pytest.mark.parametrize("right", [True, False])
def test_a_model_that_is_certain_has_no_doubt_of_its_calibration(right: bool) -> None:
    found = error_interval(np.ones(20), np.full(20, right), resamples=100, seed=0)
    assert found.value == float(not right) and found.low is not None and found.low <= found.value == found.high


@pytest.mark.parametrize(
    ("numbers", "method"),
    [(200, "BCa"), (BCA_UP_TO + 1, "percentile")],
    ids=["few images", "many images"],
)
def test_the_bootstrap_is_scipys(numbers: int, method: str) -> None:
    values = np.random.default_rng(1).exponential(size=numbers)
    ours = bootstrap(lambda rows: values[rows].mean(axis=1)[np.newaxis], numbers, resamples=300, seed=5)[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=300, method=method, rng=np.random.default_rng(5), batch=4_000_000 // numbers + 1
    ).confidence_interval
    assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert ours.method == f"bootstrap {method}"


def test_the_studentized_interval_is_the_formula_of_the_book() -> None:
    values = np.random.default_rng(1).exponential(size=80)
    ours = bootstrap_mean(values, resamples=400, seed=5)
    rows = np.random.default_rng(5).integers(0, 80, (400, 80))
    ratios = (values[rows].mean(axis=1) - values.mean()) / values[rows].std(axis=1)
    assert ours.low == pytest.approx(values.mean() - np.quantile(ratios, 0.975) * values.std())
    assert ours.high == pytest.approx(values.mean() - np.quantile(ratios, 0.025) * values.std())
    assert ours.method == "bootstrap studentized"


@pytest.mark.parametrize("levels", [1000, 4], ids=["few ties", "many ties"])
def test_areas_are_scikit_learns_with_all_images_and_without_each(levels: int) -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, levels, (80, 2)).astype(np.float32)
    true = columns(random.integers(0, 2, 80), [0, 1])
    found = estimate_areas(scores, true)
    theirs = (metrics.roc_auc_score, metrics.average_precision_score)
    for kind, (measured, macro) in enumerate(((found.roc, found.macro_roc), (found.precision, found.macro_precision))):
        whole = [theirs[kind](true[:, index], scores[:, index]) for index in range(2)]
        rows = [np.delete(np.arange(80), left) for left in range(80)]
        without = np.array([[theirs[kind](true[row, index], scores[row, index]) for row in rows] for index in range(2)])
        for index in range(2):
            assert numbers(measured[index]) == pytest.approx(numbers(jackknife_logit(whole[index], without[index], 30.0)))
        assert numbers(macro) == pytest.approx(numbers(jackknife_logit(float(np.mean(whole)), without.mean(axis=0), 30.0)))


def numbers(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.low, estimate.high]


def test_the_variance_of_an_area_is_delongs() -> None:
    """Structural components by their definition, on the logit's scale by the delta method."""
    random = np.random.default_rng(5)
    true = np.arange(400) < 150
    scores = random.normal(size=400) + 1.2 * true
    placements = np.sign(scores[true][:, None] - scores[~true]) / 2 + 0.5
    variance = placements.mean(axis=1).var(ddof=1) / 150 + placements.mean(axis=0).var(ddof=1) / 250
    area = placements.mean()
    found = estimate_areas(scores[:, np.newaxis].astype(np.float32), true[:, np.newaxis]).roc[0]
    assert found.low is not None and found.high is not None
    half = 1.959964 * np.sqrt(variance) / (area * (1 - area))
    width = stats.logistic.ppf(found.high) - stats.logistic.ppf(found.low)
    assert width == pytest.approx(2 * half, rel=0.02)


@pytest.mark.parametrize(
    ("labels", "scores", "interval"),
    [
        ([0] * 10 + [1] * 10, np.linspace(1, 0, 20), (0.7225, 1.0)),
        ([0] * 10 + [1] * 10, np.linspace(0, 1, 20), (0.0, 0.2775)),
        ([0] + [1] * 7, np.linspace(1, 0, 8), (None, None)),
    ],
    ids=["no mistake", "nothing but mistakes", "one image of the class"],
)
def test_areas_at_their_bounds(labels: list[int], scores: np.ndarray, interval: tuple[float | None, float | None]) -> None:
    true = columns(np.array(labels), [0])
    found = estimate_areas(scores.astype(np.float32)[:, np.newaxis], true).roc[0]
    assert (found.low, found.high) == (pytest.approx(interval[0], abs=1e-4), pytest.approx(interval[1], abs=1e-4))


def test_the_mean_over_classes_counts_one_of_a_single_image_too() -> None:
    true = columns(np.array([0] + [1] * 7), [0, 1])
    found = estimate_areas(np.linspace(0, 1, 16, dtype=np.float32).reshape(8, 2), true)
    assert found.macro_roc.value == pytest.approx(0.5) and found.macro_roc.low is not None


def test_one_image_has_no_bootstrap_interval_and_equal_ones_a_narrow_one() -> None:
    one = bootstrap(lambda rows: np.ones((1, len(rows))), 1, resamples=100, seed=0)[0]
    assert (one.value, one.low, one.high, one.method, str(one)) == (1.0, None, None, "none", "1.000")
    equal = bootstrap(lambda rows: np.ones((1, len(rows))), 9, resamples=100, seed=0)[0]
    assert (equal.low, equal.high) == (1.0, 1.0)


def test_without_a_mistake_means_over_classes_are_as_sure_as_their_images_allow() -> None:
    samples = made_predictions(40, 2).samples
    labels = np.array([sample.label for sample in samples])
    right = np.eye(2, dtype=np.float32)[labels]
    for probabilities, value in ((right, 1.0), (1 - right, 0.0)):
        quality = measure_quality(
            Predictions(class_names=("a", "b"), samples=samples, probabilities=probabilities), resamples=100, seed=0
        )
        worth = 4 / (1 / np.bincount(labels)).sum()
        for estimate in (quality.balanced_accuracy, quality.macro_f1):
            bounds = [1 - 3.8415 / (worth + 3.8415), 1.0] if value else [0.0, 3.8415 / (worth + 3.8415)]
            assert [estimate.low, estimate.high] == pytest.approx(bounds, abs=1e-4) and estimate.method == "Wilson"


def test_abstention_orders_by_confidence_and_counts_ties_together() -> None:
    curve = abstention(PREDICTIONS)
    order = np.argsort(-PREDICTIONS.confidence)
    risks = 1 - np.cumsum(PREDICTIONS.correct[order]) / np.arange(1, 301)
    assert curve.area == pytest.approx(risks.mean())
    assert curve.best_area < curve.area < 1 - PREDICTIONS.correct.mean()
    half = next(point for point in curve.points if point.coverage == 0.5)
    assert half.right.correct == PREDICTIONS.correct[order][:150].sum()
    equal = Predictions(class_names=("a", "b"), samples=PREDICTIONS.samples[:0] + made_predictions(40, 2).samples,
                        probabilities=np.tile(np.array([[0.75, 0.25]], np.float32), (40, 1)))  # fmt: skip
    assert [point.coverage for point in abstention(equal).points] == [1.0]


def test_lists_of_mistakes_are_in_order() -> None:
    losses = top_losses(PREDICTIONS, 10)
    assert all(case.true != case.predicted for case in losses)
    assert [case.score for case in losses] == sorted((case.score for case in losses), reverse=True)
    assert losses[0].true_probability == pytest.approx(PREDICTIONS.true_probability.min())
    doubts = [case.score for case in least_confident(PREDICTIONS, 10)]
    assert doubts == sorted(doubts) and len(doubts) == 10


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda rows: np.where(np.arange(len(rows))[:, None] == 3, np.nan, rows), "3.png: the model gives no finite number"),
        (lambda rows: np.where(np.arange(len(rows))[:, None] == 4, np.inf, rows), "4.png: the model gives no finite number"),
        (lambda rows: rows * 2, "0.png: what the model gives are no probabilities"),
        (lambda rows: rows[:-1], r"probabilities \(299, 7\) and 300 images do not match"),
    ],
    ids=["NaN", "infinite", "no probabilities", "another length"],
)
def test_scores_that_are_none_are_refused(wrong: object, told: str, unchecked_types: None) -> None:
    with pytest.raises(TlcoreError, match=told):
        Predictions(
            class_names=PREDICTIONS.class_names,
            samples=PREDICTIONS.samples,
            probabilities=wrong(PREDICTIONS.probabilities).astype(np.float32),  # type: ignore[operator]
        )
