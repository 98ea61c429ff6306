from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import UNTRAINED
from tests.tlcore.features.test_feature_set import Means
from tlcore import Backbone, Classifier, ExportOptions, Registry, TrainOptions, evaluate, export_onnx, train
from tlcore.engines.choice import least_cosine
from tlcore.engines.onnx import onnx_engine
from tlcore.errors import BackboneError, OptionError
from tlcore.export import graph
from tlcore.features.grid import GridBackbone
from tlcore.features.torch_embedders import GridEmbedder


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Backbone:
    return registry.backbone("mini")


def pixels(backbone: Backbone, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *backbone.info.preprocess.image_size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("cells", "bounds"), [(2, [(0, 2), (2, 4)]), (3, [(0, 2), (1, 3), (2, 4)]), (4, [(0, 1), (1, 2), (2, 3), (3, 4)])]
)
def test_features_are_the_means_of_cells_row_by_row(mini: Backbone, cells: int, bounds: list[tuple[int, int]]) -> None:
    images = pixels(mini, 2)
    maps = mini.feature_maps(images, ["layer4"])["layer4"]
    assert maps.shape[2:] == (4, 4)
    expected = [maps[:, :, top:bottom, left:right].mean(axis=(2, 3)) for top, bottom in bounds for left, right in bounds]
    np.testing.assert_allclose(GridBackbone(mini, cells).features(images), np.concatenate(expected, axis=1), atol=1e-5)


def test_an_image_and_its_mirror_image_differ_only_in_where(mini: Backbone) -> None:
    half = pixels(mini, 1)
    half[:, :, half.shape[2] // 2 :] = 0
    left, right = GridBackbone(mini, 2).features(half).reshape(2, 2, -1).transpose(1, 0, 2)
    assert least_cosine(left, right) < 0.9


def test_another_grid_is_other_weights_to_the_cache(mini: Backbone) -> None:
    made = [mini, GridBackbone(mini, 2), GridBackbone(mini, 3)]
    assert len({backbone.info.weights_digest for backbone in made}) == 3
    assert [backbone.info.feature_size for backbone in made] == [768, 4 * 768, 9 * 768]


@pytest.mark.parametrize("cells", [2, 3])
def test_onnx_runs_them(mini: Backbone, cells: int) -> None:
    backbone = GridBackbone(mini, cells)
    images = pixels(mini, 2)
    found = np.concatenate([onnx_engine(backbone, None).features(image[None]) for image in images])
    assert least_cosine(found, backbone.features(images)) > 0.99999


@pytest.mark.parametrize("cells", [-1, 0, 1, 5])
def test_other_grids_are_refused(mini: Backbone, cells: int) -> None:
    with pytest.raises(OptionError, match=f"2 to 4 cells along each side, got {cells}"):
        GridBackbone(mini, cells)


def test_a_network_without_maps_is_told() -> None:
    with pytest.raises(BackboneError, match="is not a torch network"):
        GridBackbone(Means(), 2).torch_embedder()


class Answering(torch.nn.Module):
    """An embedder of six features and the given maps, whatever it is asked."""

    def __init__(self, maps: torch.Tensor | None) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return torch.zeros(1, 6), self.maps


@pytest.mark.parametrize(
    ("maps", "told"),
    [
        (None, "features of backbone net are not the mean of its last maps; leave grid out"),
        (torch.zeros(1, 4, 7, 7), "features of backbone net are not the mean of its last maps; leave grid out"),
        (torch.zeros(1, 6, 2, 7), "the last maps of backbone net have 2 x 7 places; take a smaller grid"),
    ],
)
def test_maps_that_a_grid_cannot_be_laid_on_are_told(maps: torch.Tensor | None, told: str) -> None:
    with pytest.raises(BackboneError, match=told):
        GridEmbedder(Answering(maps), 3, "net")(torch.zeros(1, 3, 8, 8))


def test_training_evaluating_and_exporting_agree(
    shapes: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_dynamo", graph._legacy)  # quicker; the gate compares what it wrote
    trained = train(str(shapes), tmp_path / "bundle", TrainOptions(backbone="mini", grid=2), registry=registry)
    bundle = trained.bundle
    assert bundle.record.backbone["grid"] == 2
    measured = evaluate(bundle, registry.dataset(str(shapes)), split="all")
    assert measured.metrics.log_loss == pytest.approx(trained.metrics["test"].log_loss, abs=1e-4)
    exported = Classifier(export_onnx(bundle, tmp_path / "model.onnx", ExportOptions()).path)
    images = pixels(bundle.backbone, 2)
    expected = bundle.probabilities(bundle.logits(images))
    np.testing.assert_allclose(exported.run(images, ("probabilities",))["probabilities"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("other", "told"), [({"layers": 3}, "either grid or layers"), ({"finetune": "full"}, "leave out grid")]
)
def test_grids_do_not_go_with(other: dict, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        replace(UNTRAINED, grid=2, **other)
