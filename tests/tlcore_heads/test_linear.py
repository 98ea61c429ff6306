from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tlcore import HeadData, Registry
from tlcore.errors import HeadError
from tlcore.progress import ProgressEvent
from tlcore_heads import divisions
from tlcore_heads.linear import LinearHead
from tlcore_heads.logistic import LogisticProblem
from tlcore_heads.options import LinearOptions

EMPTY = np.empty((0, 64), np.float32), np.empty(0, np.int64)


def digits() -> tuple[np.ndarray, np.ndarray]:
    features, labels = load_digits(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64)


def data(features: np.ndarray, labels: np.ndarray) -> HeadData:
    return HeadData(features=features, labels=labels)


@pytest.mark.parametrize("strength", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("images", [40, 1200], ids=["fewer-images-than-features", "more"])
def test_it_finds_scikit_learns_optimum(strength: float, images: int) -> None:
    features, labels = digits()
    features, labels = StandardScaler().fit_transform(features[:images]).astype(np.float32), labels[:images]
    theirs = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(features, labels)
    solution = LogisticProblem(features, labels, np.ones(images, np.float32), 10).solve(strength, None, 5000)

    def loss(weight: np.ndarray, bias: np.ndarray) -> float:
        logits = features @ weight.T + bias
        likelihood = logits[np.arange(images), labels] - np.log(np.exp(logits).sum(axis=1))
        return float(-likelihood.sum() + (weight**2).sum() / (2 * strength))

    assert loss(solution[:, :-1], solution[:, -1]) == pytest.approx(loss(theirs.coef_, theirs.intercept_), rel=1e-4)


def test_it_folds_into_one_layer_and_chooses_by_validation() -> None:
    features, labels = digits()
    fit = LinearHead(LinearOptions()).fit(data(features[:900], labels[:900]), data(features[900:1300], labels[900:1300]), 10)
    layer = fit.head.linear()
    assert layer is not None
    weight, bias = layer
    np.testing.assert_allclose(features @ weight.T + bias, fit.head.logits(features), rtol=1e-4, atol=1e-3)
    accuracy = (fit.head.logits(features[1300:]).argmax(axis=1) == labels[1300:]).mean()
    assert accuracy > 0.9
    losses = fit.record["validation_log_loss"]
    assert float(min(losses, key=losses.get)) == pytest.approx(fit.record["regularisation"], rel=1e-2)
    assert fit.validation_logits is not None
    assert fit.validation_logits.shape == (400, 10)


def test_few_validation_images_do_not_choose_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = digits()
    wrong = np.roll(labels[400:420], 1)  # by these alone the weakest model is best: it says nothing
    few = data(features[400:420], wrong)
    chosen = LinearHead(LinearOptions()).fit(data(features[:400], labels[:400]), few, 10).record["regularisation"]
    monkeypatch.setattr(divisions, "FEW", 0)
    alone = LinearHead(LinearOptions()).fit(data(features[:400], labels[:400]), few, 10).record["regularisation"]
    assert alone < 1e-4 < chosen


def test_without_validation_images_it_takes_a_middle_strength() -> None:
    features, labels = digits()
    fit = LinearHead(LinearOptions()).fit(data(features[:300], labels[:300]), data(*EMPTY), 10)
    assert fit.record["regularisation"] == 0.01
    assert fit.validation_logits is None


def test_balanced_weights_equal_scikit_learns() -> None:
    features, labels = load_iris(return_X_y=True)
    keep = np.r_[0:50, 50:60, 100:150]
    features, labels = StandardScaler().fit_transform(features[keep]).astype(np.float32), labels[keep].astype(np.int64)
    theirs = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000, tol=1e-8).fit(features, labels)
    options = LinearOptions(regularisation=0.1, class_weight="balanced")
    ours = LinearHead(options).fit(data(features, labels), data(features[:0], labels[:0]), 3).head.logits(features)
    expected = features @ theirs.coef_.T + theirs.intercept_
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True), atol=5e-3
    )


def test_constant_features_and_absent_classes_do_no_harm() -> None:
    features, labels = digits()
    keep = labels != 4
    fit = LinearHead(LinearOptions(regularisation=0.1)).fit(data(features[keep], labels[keep]), data(*EMPTY), 10)
    logits = fit.head.logits(features)
    assert np.isfinite(logits).all()
    assert 4 not in logits[keep].argmax(axis=1)


def test_restoring_gives_the_same_head() -> None:
    features, labels = digits()
    head = Registry().head("linear")
    fitted = head.fit(data(features[:300], labels[:300]), data(*EMPTY), 10).head
    again = head.restore(fitted.tensors())
    np.testing.assert_array_equal(again.logits(features), fitted.logits(features))
    with pytest.raises(HeadError, match="a linear head is restored from"):
        head.restore({"weight": np.zeros((3, 4), np.float32)})


def test_progress_is_told() -> None:
    features, labels = digits()
    events: list[ProgressEvent] = []
    LinearHead(LinearOptions()).fit(
        data(features[:200], labels[:200]), data(features[200:300], labels[200:300]), 10, progress=events.append
    )
    assert events[-1].done == events[-1].total


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("labels", "classes", "told"),
    [(np.zeros(5, np.int64), 2, "training images of two classes or more, got 1"),
     (np.array([0, 1, 2, 0, 1]), 2, r"labels must lie in \[0, 2\), got up to 2"),
     (np.array([0, 1]), 2, r"features \(5, 3\) and labels \(2,\) do not match")],
)  # fmt: skip
def test_what_cannot_be_fitted_is_told(labels: np.ndarray, classes: int, told: str) -> None:
    features = np.zeros((5, 3), np.float32)
    with pytest.raises(HeadError, match=told):
        LinearHead(LinearOptions()).fit(data(features, labels), data(features[:0], labels[:0]), classes)
