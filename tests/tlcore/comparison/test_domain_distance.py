from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from tlcore.comparison.domain_distance import domain_distance
from tlcore.errors import DatasetError


def cloud(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.standard_normal((count, 16)) + 2 + shift * np.linspace(-1, 1, 16)).astype(np.float32)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_it_is_what_scikit_learn_finds(shift: float) -> None:
    features, reference = cloud(80, 1, shift), cloud(120, 2)
    neighbours = NearestNeighbors(n_neighbors=6).fit(normalize(reference))
    far, own = neighbours.kneighbors(normalize(features))[0][:, 4], neighbours.kneighbors(normalize(reference))[0][:, 5]
    found = domain_distance(features, reference)
    assert found.distance == pytest.approx(np.median(far), rel=1e-5)
    assert found.reference_distance == pytest.approx(np.median(own), rel=1e-5)
    assert found.farther == pytest.approx(roc_auc_score([0] * 120 + [1] * 80, np.concatenate([own, far])), abs=1e-6)


def test_more_of_the_same_is_at_no_distance_and_another_world_is_beyond_all() -> None:
    reference = cloud(400, 0)
    same = domain_distance(cloud(400, 1), reference)
    assert same.farther == pytest.approx(0.5, abs=0.06)
    assert same.ratio == pytest.approx(1.0, abs=0.06)
    assert domain_distance(cloud(50, 1, shift=20.0), reference).farther > 0.99


@pytest.mark.parametrize(("images", "references"), [(0, 10), (5, 6)])
def test_too_few_are_told(images: int, references: int) -> None:
    with pytest.raises(DatasetError, match=f"7 reference images or more and one image, got {references} and {images}"):
        domain_distance(cloud(images, 0), cloud(references, 0))


@pytest.mark.usefixtures("unchecked_types")
def test_features_of_two_backbones_are_told() -> None:
    with pytest.raises(DatasetError, match="of different backbones"):
        domain_distance(cloud(3, 0)[:, :8].copy(), cloud(10, 0))
