from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from tests.tlcore_heads.points import accuracy, digits, none_of
from tlcore import HeadData
from tlcore.metrics import fit_temperature
from tlcore_heads.options import PrototypeOptions
from tlcore_heads.prototype import PrototypeHead


@pytest.mark.parametrize("centre", [True, False], ids=["centred", "plain"])
@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")
def test_it_names_the_class_that_scikit_learns_nearest_centroid_does(centre: bool) -> None:
    learnt, fresh = digits(0, 400), digits(400, 900)
    mean = learnt.features.mean(axis=0) if centre else 0.0
    theirs = NearestCentroid().fit(normalize(learnt.features - mean), learnt.labels)
    ours = PrototypeHead(PrototypeOptions(centre=centre)).fit(learnt, none_of(), 10).head
    named = ours.logits(fresh.features).argmax(axis=1)
    assert (named == theirs.predict(normalize(fresh.features - mean))).mean() > 0.998


def test_logits_are_minus_scaled_squared_distances_up_to_a_constant_per_image() -> None:
    learnt = digits(0, 200)
    fit = PrototypeHead(PrototypeOptions()).fit(learnt, none_of(), 10)
    points = normalize(learnt.features - learnt.features.mean(axis=0))
    centroids = np.stack([points[learnt.labels == label].mean(axis=0) for label in range(10)])
    expected = -np.square(points[:, None] - centroids).sum(axis=2) * fit.record["scale"]
    difference = fit.head.logits(learnt.features) - expected
    np.testing.assert_allclose(difference - difference.mean(axis=1, keepdims=True), 0, atol=1e-3)


def test_probabilities_are_calibrated_without_validation_images() -> None:
    fresh = digits(600, 1500)
    fit = PrototypeHead(PrototypeOptions()).fit(digits(0, 600), none_of(), 10)
    assert 0.6 < fit_temperature(fit.head.logits(fresh.features), fresh.labels) < 1.6


def test_few_shots_suffice_where_a_perceptron_needs_more() -> None:
    labels = digits(0, 600).labels
    chosen = np.concatenate([np.flatnonzero(labels == label)[:2] for label in range(10)])
    two_each = HeadData(features=digits(0, 600).features[chosen], labels=labels[chosen])
    head = PrototypeHead(PrototypeOptions()).fit(two_each, none_of(), 10).head
    assert accuracy(head.logits(digits(600, 1500).features), digits(600, 1500)) > 0.7
