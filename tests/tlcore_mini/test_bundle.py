"""The whole way with the network in the box: from a folder of pictures to a bundle and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from tlcore import Registry, TrainOptions, TrainResult, load_bundle, train


@pytest.fixture(scope="module")
def trained_with_mini(shapes: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(str(shapes), tmp_path_factory.mktemp("bundles") / "mini", TrainOptions(backbone="mini"), registry=registry)


def test_the_registry_knows_it(registry: Registry) -> None:
    info = registry.backbone("mini").info
    assert (info.name, info.feature_size) == ("mini", 768)


def test_a_bundle_comes_back_and_plain_timm_reads_it(trained_with_mini: TrainResult, registry: Registry) -> None:
    bundle = load_bundle(trained_with_mini.bundle.path, registry)
    side = bundle.record.preprocess.image_size[0]
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    logits = bundle.logits(pixels)
    network = timm.create_model(f"local-dir:{bundle.path}", pretrained=True).eval()
    with torch.inference_mode():
        plain = network(torch.from_numpy(bundle.record.preprocess.normalise(pixels))).numpy()
    np.testing.assert_allclose(plain, logits, atol=1e-3)
