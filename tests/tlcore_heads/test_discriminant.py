from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.tlcore_heads.points import accuracy, digits, none_of
from tlcore import HeadData
from tlcore_heads.discriminant import SWEEP, DiscriminantHead
from tlcore_heads.linear import LinearHead
from tlcore_heads.options import DiscriminantOptions, LinearOptions
from tlcore_heads.standard import Standardisation


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("images", [45, 1000], ids=["fewer-images-than-features", "more"])
def test_it_equals_scikit_learns_shrunk_discriminant(share: float, images: int) -> None:
    learnt, fresh = digits(0, images), digits(1000, 1400)
    standard = Standardisation.of(learnt.features)
    theirs = LinearDiscriminantAnalysis("lsqr", shrinkage=share)
    theirs.fit(standard.apply(learnt.features).astype(np.float64), learnt.labels)
    expected = theirs.decision_function(standard.apply(fresh.features).astype(np.float64))
    ours = DiscriminantHead(DiscriminantOptions(shrinkage=share)).fit(learnt, none_of(), 10).head.logits(fresh.features)
    # They divide by the number of images, we by the degrees of freedom.
    priors = np.log(theirs.priors_)
    expected = (expected - priors) * (images - 10) / images + priors
    difference = ours - expected
    np.testing.assert_allclose(difference - difference.mean(axis=1, keepdims=True), 0, atol=2e-3 * np.abs(expected).max())


def test_the_share_of_the_best_validation_loss_is_taken_and_told() -> None:
    fit = DiscriminantHead(DiscriminantOptions()).fit(digits(0, 300), digits(300, 900), 10)
    losses = fit.record["validation_log_loss"]
    assert isinstance(losses, dict) and len(losses) == len(SWEEP)
    assert float(min(losses, key=losses.__getitem__)) == fit.record["shrinkage"]


def test_observed_priors_follow_the_number_of_images() -> None:
    random = np.random.default_rng(0)
    many, few = random.standard_normal((90, 4)) + 0.2, random.standard_normal((10, 4)) - 0.2
    data = HeadData(features=np.concatenate([many, few]).astype(np.float32), labels=np.repeat([0, 1], [90, 10]))
    odds = {
        priors: np.diff(
            DiscriminantHead(DiscriminantOptions(priors=priors, shrinkage=0.5))
            .fit(data, none_of(4), 2)
            .head.logits(data.features)
        ).mean()
        for priors in ("observed", "equal")
    }
    assert odds["equal"] - odds["observed"] == pytest.approx(np.log(9), abs=1e-4)


def test_it_tells_apart_by_directions_that_hardly_vary_where_regression_finds_fewer() -> None:
    random = np.random.default_rng(1)
    centres = random.standard_normal((10, 40)) * 0.3
    mixing = random.standard_normal((40, 40)) * np.geomspace(0.1, 1, 40)[:, None]

    def draw(each: int) -> HeadData:
        labels = np.repeat(np.arange(10), each)
        noise = random.standard_normal((len(labels), 40)) @ mixing
        return HeadData(features=(centres[labels] + noise).astype(np.float32), labels=labels)

    learnt, validation, fresh = draw(12), draw(4), draw(100)
    ours = DiscriminantHead(DiscriminantOptions()).fit(learnt, validation, 10).head
    theirs = LinearHead(LinearOptions()).fit(learnt, validation, 10).head
    assert accuracy(ours.logits(fresh.features), fresh) > accuracy(theirs.logits(fresh.features), fresh) + 0.05
