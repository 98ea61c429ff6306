from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tlcore import Backbone, Registry
from tlcore.engines.choice import least_cosine
from tlcore.engines.torch import has_attention, has_bfloat16, has_depthwise, torch_engine

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")


def pixels(backbone: Backbone, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *backbone.info.preprocess.image_size, 3), dtype=np.uint8)


@needs_bfloat16
@pytest.mark.parametrize(
    ("name", "options"), [("timm/test_vit", {"pretrained": False}), ("mini", {})], ids=["attention", "convolutions"]
)
def test_it_runs_in_bfloat16_where_the_processor_has_it(registry: Registry, name: str, options: dict[str, object]) -> None:
    backbone = registry.backbone(name, options)
    engine = torch_engine(backbone)
    assert engine is not None
    assert (engine.precision, engine.parallel) == ("bfloat16", True)
    images = pixels(backbone, 3)
    expected = backbone.features(images)
    assert least_cosine(engine.features(images), expected) >= 0.999
    assert not np.array_equal(engine.features(images), expected)


@needs_bfloat16
def test_the_backbone_and_the_callers_threads_stay_as_they_were(registry: Registry) -> None:
    backbone = registry.backbone("mini")
    images = pixels(backbone, 2)
    before, threads = backbone.features(images), torch.get_num_threads()
    engine = torch_engine(backbone)
    assert engine is not None
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(engine.features, [images, images])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(backbone.features(images), before)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("name", "attention", "depthwise"),
    [("test_vit", True, False), ("test_resnet", False, False), ("test_efficientnet", False, True)],
)
def test_what_a_network_is_made_of(registry: Registry, name: str, attention: bool, depthwise: bool) -> None:
    network = registry.backbone(f"timm/{name}", {"pretrained": False}).torch_embedder()
    assert (has_attention(network), has_depthwise(network)) == (attention, depthwise)


def test_depthwise_convolutions_are_left_to_others(registry: Registry) -> None:
    assert torch_engine(registry.backbone("timm/test_efficientnet", {"pretrained": False})) is None
