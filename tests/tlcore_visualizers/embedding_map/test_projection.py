from __future__ import annotations

import sys

import numpy as np
import pytest

from tlcore.errors import DatasetError, VisualizationError
from tlcore_visualizers.embedding_map import MapOptions
from tlcore_visualizers.embedding_map.colours import class_colours
from tlcore_visualizers.embedding_map.projection import project


def clusters(count: int = 60) -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, 20)) * 10
    return (centres[np.arange(count) % 3] + random.normal(size=(count, 20))).astype(np.float32)


@pytest.mark.parametrize("method", ["pca", "t-sne"])
def test_like_lies_beside_like_and_the_seed_decides_the_rest(method: str) -> None:
    places, again = (project(clusters(), MapOptions(method=method), seed=3) for _ in range(2))
    np.testing.assert_array_equal(places, again)
    assert places.shape == (60, 2)
    assert places.min() >= 0 and places.max() <= 1
    assert np.ptp(places, axis=0).max() == pytest.approx(1, abs=1e-5)
    middles = [places[group::3].mean(axis=0) for group in range(3)]
    within = max(np.linalg.norm(places[group::3] - middles[group], axis=1).max() for group in range(3))
    between = min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert between > 1.5 * within


def test_principal_components_are_those_of_the_directions_from_the_mean() -> None:
    features = clusters(20)
    centred = features - features.mean(axis=0)
    rows = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    left, sizes, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * sizes[:2]
    places = project(features, MapOptions(method="pca"), seed=0)
    for axis in (0, 1):
        assert abs(np.corrcoef(expected[:, axis], places[:, axis])[0, 1]) == pytest.approx(1, abs=1e-4)
    assert np.ptp(places[:, 1]) / np.ptp(places[:, 0]) == pytest.approx(
        np.ptp(expected[:, 1]) / np.ptp(expected[:, 0]), rel=1e-3
    )


@pytest.mark.parametrize("method", ["pca", "t-sne"])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_few_images(method: str, count: int) -> None:
    assert np.isfinite(project(clusters(count), MapOptions(method=method), seed=0)).all()


@pytest.mark.parametrize("method", ["pca", "t-sne", "umap"])
def test_equal_images_lie_in_one_place(method: str) -> None:
    places = project(np.ones((5, 8), np.float32), MapOptions(method=method), seed=0)
    np.testing.assert_array_equal(places, np.full((5, 2), 0.5, np.float32))


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images_are_told(count: int) -> None:
    with pytest.raises(DatasetError, match=f"a map needs at least 3 images, got {count}"):
        project(np.ones((count, 8), np.float32), MapOptions(), seed=0)


def test_without_umap_its_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(VisualizationError, match=r"pip install 'tlcore\[maps\]'; or choose t-sne"):
        project(clusters(), MapOptions(method="umap"), seed=0)


def test_every_class_has_a_colour_of_its_own() -> None:
    colours = class_colours(200)
    assert len(colours) == 200
    assert len(set(colours)) > 190
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in colours)
