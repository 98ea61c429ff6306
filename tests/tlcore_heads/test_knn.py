from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from tests.tlcore_heads.points import accuracy, digits, none_of
from tlcore import HeadData
from tlcore.errors import HeadError
from tlcore_heads.knn import NeighbourHead, vote
from tlcore_heads.options import NeighbourOptions


@pytest.mark.parametrize("neighbours", [1, 5, 20])
def test_it_is_as_good_as_scikit_learns(neighbours: int) -> None:
    learnt, fresh = digits(0, 600), digits(600, 1500)
    centre = learnt.features.mean(axis=0)
    theirs = KNeighborsClassifier(neighbours, metric="cosine").fit(normalize(learnt.features - centre), learnt.labels)
    expected = theirs.predict(normalize(fresh.features - centre))
    named = NeighbourHead(NeighbourOptions(neighbours=neighbours)).fit(learnt, none_of(), 10).head.logits(fresh.features)
    if neighbours == 1:
        assert (named.argmax(axis=1) == expected).mean() > 0.998
    assert accuracy(named, fresh) > (expected == fresh.labels).mean() - 0.005


def test_a_vote_weighs_how_much_nearer_it_is_than_the_first_that_has_none() -> None:
    similar = np.array([[0.9, 0.8, 0.5, 0.1]], np.float32)
    logits = vote(similar, np.array([0, 1, 1, 0]), 2, 2)
    np.testing.assert_allclose(np.exp(logits), [[0.45 / 0.8, 0.35 / 0.8]], rtol=1e-5)


def test_answers_change_smoothly_where_neighbours_change_places() -> None:
    labels = np.array([0, 1, 1, 0])
    before, after = (vote(np.array([[0.9, 0.5 + d, 0.5 - d, 0.1]], np.float32), labels, 2, 2) for d in (1e-5, -1e-5))
    np.testing.assert_allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("asked", [12, 50])
def test_more_neighbours_than_images_are_refused_with_what_is_possible(asked: int) -> None:
    few = HeadData(features=digits(0, 12).features, labels=digits(0, 12).labels)
    with pytest.raises(HeadError, match=f"knn: {asked} neighbours cannot vote among 12 training images; .* to 11 or less"):
        NeighbourHead(NeighbourOptions(neighbours=asked)).fit(few, none_of(), 10)
    assert NeighbourHead(NeighbourOptions(neighbours=11)).fit(few, none_of(), 10).record["neighbours"] == 11


def test_it_says_how_large_what_it_keeps_is() -> None:
    fit = NeighbourHead(NeighbourOptions()).fit(digits(0, 300), digits(300, 400), 10)
    assert fit.record["stored"] == {"images": 400, "features": 64, "bytes": 400 * 64 * 4}
    assert fit.head.tensors()["stored"].nbytes == 400 * 64 * 4
    assert fit.notes == ("knn keeps the features of its 400 images: 0.1 MB here and in every exported file",)


@pytest.mark.parametrize("settings", [[10, 0, 1], [10, 40, 1], [10, 5, 0], [10, 5]], ids=str)
def test_senseless_tensors_are_refused(settings: list[int]) -> None:
    head = NeighbourHead(NeighbourOptions())
    tensors = dict(head.fit(digits(0, 40), none_of(), 10).head.tensors())
    with pytest.raises(HeadError, match="a knn head of 40 images and 40 labels cannot have settings"):
        head.restore({**tensors, "settings": np.array(settings, np.float64)})
