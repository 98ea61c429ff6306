from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import UNTRAINED
from tests.tlcore.features.test_feature_set import Means
from tlcore import Backbone, Classifier, ExportOptions, Registry, TrainOptions, evaluate, export_onnx, train
from tlcore.engines.choice import least_cosine
from tlcore.engines.folding import fold_batch_norm
from tlcore.engines.onnx import onnx_engine
from tlcore.errors import BackboneError, OptionError
from tlcore.export import graph
from tlcore.features.layered import LayeredBackbone, LayerParts, choose_layers
from tlcore.features.relevance import relevant_features


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Backbone:
    return registry.backbone("mini")


def pixels(backbone: Backbone, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *backbone.info.preprocess.image_size, 3), dtype=np.uint8)


def test_features_are_the_layers_means_each_of_length_one(mini: Backbone) -> None:
    layers = choose_layers(mini, 3)
    images = pixels(mini, 2)
    maps = mini.feature_maps(images, [part.layer for part in layers])
    groups = [*(maps[part.layer].mean(axis=(2, 3)) for part in layers), mini.features(images)]
    expected = np.concatenate([group / np.linalg.norm(group, axis=1, keepdims=True) for group in groups], axis=1)
    found = LayeredBackbone(mini, layers).features(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    chosen = [3, 5, found.shape[1] - 1]
    np.testing.assert_allclose(LayeredBackbone(mini, layers, chosen).features(images), expected[:, chosen], atol=1e-5)


def test_other_layers_and_columns_are_other_weights_to_the_cache(mini: Backbone) -> None:
    layers = choose_layers(mini, 3)
    made = [mini, LayeredBackbone(mini, layers), LayeredBackbone(mini, layers[:2]), LayeredBackbone(mini, layers, [1, 2])]
    assert len({backbone.info.weights_digest for backbone in made}) == 4
    assert LayeredBackbone(mini, layers).info == LayeredBackbone(mini, layers).info


def test_onnx_runs_them(mini: Backbone) -> None:
    backbone = LayeredBackbone(mini, choose_layers(mini, 4))
    images = pixels(mini, 2)
    found = np.concatenate([onnx_engine(backbone, None).features(image[None]) for image in images])
    assert least_cosine(found, backbone.features(images)) > 0.99999


def test_copies_and_threads_do_not_mix(mini: Backbone) -> None:
    embedder = LayeredBackbone(mini, choose_layers(mini, 4)).torch_embedder()
    another = copy.deepcopy(embedder)
    inputs = torch.rand(12, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = [embedder(one)[0] for one in inputs]

        def found(one: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                features: torch.Tensor = another(one)[0]
            return features

        with ThreadPoolExecutor(4) as executor:
            for of_thread, alone in zip(executor.map(found, inputs), expected, strict=True):
                torch.testing.assert_close(of_thread, alone)


def test_batch_norm_folds_around_the_layers(mini: Backbone) -> None:
    embedder = LayeredBackbone(mini, choose_layers(mini, 64)).torch_embedder()
    inputs = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = embedder(inputs)[0]
        fold_batch_norm(embedder, inputs)
        torch.testing.assert_close(embedder(inputs)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("count", "told"), [(0, "between 1 and 64, got 0"), (65, "between 1 and 64, got 65")])
def test_other_numbers_of_layers_are_refused(mini: Backbone, count: int, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        choose_layers(mini, count)


def test_a_network_without_layers_is_told() -> None:
    with pytest.raises(BackboneError, match="has no layers to take features from; leave layers out"):
        choose_layers(Means(), 3)
    with pytest.raises(BackboneError, match="is not a torch network"):
        LayeredBackbone(Means(), [LayerParts("conv1")]).torch_embedder()


def test_more_layers_than_there_are_give_all(mini: Backbone) -> None:
    chosen = choose_layers(mini, 64)
    assert len(chosen) == len(set(chosen)) == min(64, len(mini.layers()))


@pytest.mark.parametrize(
    ("asked", "cells", "kept"), [({"layers": 4}, [1, 1, 1, 1], 2 * 768), ({"pyramid": 3}, [2, 4], 4 * 768 + 16 * 384 + 768)]
)
def test_training_evaluating_and_exporting_agree(
    asked: dict[str, int],
    cells: list[int],
    kept: int,
    shapes: Path,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph, "_dynamo", graph._legacy)  # quicker; the gate compares what it wrote
    trained = train(str(shapes), tmp_path / "bundle", TrainOptions(backbone="mini", **asked), registry=registry)
    bundle = trained.bundle
    assert bundle.record.backbone["layers"]["cells"] == cells
    assert bundle.backbone.info.feature_size == kept
    measured = evaluate(bundle, registry.dataset(str(shapes)), split="all")
    assert measured.metrics.log_loss == pytest.approx(trained.metrics["test"].log_loss, abs=1e-4)
    exported = Classifier(export_onnx(bundle, tmp_path / "model.onnx", ExportOptions()).path)
    images = pixels(bundle.backbone, 2)
    expected = bundle.probabilities(bundle.logits(images))
    np.testing.assert_allclose(exported.run(images, ("probabilities",))["probabilities"], expected, atol=1e-4)


def test_folds_with_layers_are_refused() -> None:
    with pytest.raises(OptionError, match="features chosen on the images they test"):
        replace(UNTRAINED, layers=3, folds=3)


@pytest.mark.parametrize("keep", [2, 6, 99])
def test_features_that_tell_classes_apart_are_kept_first(keep: int) -> None:
    random = np.random.default_rng(1)
    labels = np.arange(200) % 4
    features = random.standard_normal((200, 40)).astype(np.float32)
    features[:, 5] = 3  # constant: never relevant, never a division by zero
    for column, label in ((8, 0), (20, 2)):
        features[:, column] += 4 * (labels == label)
    kept = relevant_features(features, labels, 4, keep)
    assert {8, 20} <= set(kept)
    assert len(kept) == min(keep, 40)
    assert keep == 99 or 5 not in kept
