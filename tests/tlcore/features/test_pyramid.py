from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import UNTRAINED
from tests.tlcore.features.test_feature_set import Means
from tlcore import Backbone, Registry
from tlcore.engines.choice import least_cosine
from tlcore.engines.onnx import onnx_engine
from tlcore.errors import BackboneError, OptionError
from tlcore.features.layered import LayeredBackbone, LayerParts
from tlcore.features.pyramid import choose_pyramid
from tlcore.features.torch_layers import LayersEmbedder


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Backbone:
    return registry.backbone("mini")


def pixels(backbone: Backbone, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *backbone.info.preprocess.image_size, 3), dtype=np.uint8)


def test_levels_are_the_means_of_parts_row_by_row_each_level_of_length_one(mini: Backbone) -> None:
    images = pixels(mini, 2)
    maps = mini.feature_maps(images, ["layer3", "layer4"])
    quarters, sixteenths = (
        np.stack([maps[layer][:, :, y : y + 2, x : x + 2].mean(axis=(2, 3)) for y in starts for x in starts], axis=1)
        for layer, starts in (("layer4", (0, 2)), ("layer3", (0, 2, 4, 6)))
    )
    groups = [quarters.reshape(2, -1), sixteenths.reshape(2, -1), mini.features(images)]
    expected = np.concatenate([group / np.linalg.norm(group, axis=1, keepdims=True) for group in groups], axis=1)
    found = LayeredBackbone(mini, choose_pyramid(mini, 3)).features(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.shape == (2, 4 * 768 + 16 * 384 + 768)


def test_parts_that_divide_no_map_evenly_share_rows_and_columns() -> None:
    maps = torch.arange(9.0).reshape(1, 1, 3, 3)
    embedder = Answering(maps)
    found, _ = LayersEmbedder(embedder, [LayerParts("layer", 2)], None, "net")(torch.zeros(1, 3, 8, 8))
    means = np.array([2.0, 3.0, 5.0, 6.0])
    np.testing.assert_allclose(found[0, :4].numpy(), means / np.linalg.norm(means), atol=1e-6)


def test_an_image_and_its_mirror_image_differ_only_in_where(mini: Backbone) -> None:
    half = pixels(mini, 1)
    half[:, :, half.shape[2] // 2 :] = 0
    features = LayeredBackbone(mini, choose_pyramid(mini, 2)).features(half)
    left, right = features[:, : 4 * 768].reshape(2, 2, -1).transpose(1, 0, 2)
    assert least_cosine(left, right) < 0.9


@pytest.mark.parametrize("levels", [2, 3])
def test_onnx_runs_them(mini: Backbone, levels: int) -> None:
    backbone = LayeredBackbone(mini, choose_pyramid(mini, levels))
    images = pixels(mini, 2)
    found = np.concatenate([onnx_engine(backbone, None).features(image[None]) for image in images])
    assert least_cosine(found, backbone.features(images)) > 0.99999


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mobilenetv2_100", [("bn2", 2), ("blocks.4", 4)]),
        ("mobilenetv3_small_100", [("blocks", 2), ("blocks.3", 4)]),
        ("resnet18", [("layer4", 2), ("layer3", 4)]),
        ("vgg11", [("features", 2), ("features.19", 4)]),
    ],
)
def test_levels_come_from_the_ends_of_stages(registry: Registry, name: str, layers: list[tuple[str, int]]) -> None:
    backbone = registry.backbone(f"timm:{name}", {"pretrained": False})
    assert choose_pyramid(backbone, 3) == tuple(layers)


@pytest.mark.parametrize("levels", [-1, 0, 1, 5])
def test_other_numbers_of_levels_are_refused(mini: Backbone, levels: int) -> None:
    with pytest.raises(OptionError, match=f"2 to 4 levels, got {levels}"):
        choose_pyramid(mini, levels)


def test_networks_that_have_no_such_maps_are_told(registry: Registry) -> None:
    with pytest.raises(BackboneError, match="is not a torch network"):
        choose_pyramid(Means(), 2)
    for name in ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"):
        with pytest.raises(
            BackboneError, match=f"last features of backbone timm/{name} lie on no grid; leave the pyramid out"
        ):
            choose_pyramid(registry.backbone(f"timm:{name}", {"pretrained": False}), 2)
    coarse = registry.backbone("timm:resnet18", {"pretrained": False, "image_size": 16})
    with pytest.raises(
        BackboneError, match="no maps of 16 x 16 places to take 8 x 8 parts of the image from; take fewer levels"
    ):
        choose_pyramid(coarse, 4)


class Answering(torch.nn.Module):
    """An embedder whose one layer gives the maps it was made with, whatever it is asked."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.layer = torch.nn.Identity()
        self.maps = maps

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.layer(self.maps).mean(dim=(2, 3)), None


@pytest.mark.parametrize(
    ("other", "told"), [({"layers": 3}, "either pyramid or layers"), ({"finetune": "full"}, "leave out pyramid")]
)
def test_pyramids_do_not_go_with(other: dict, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        replace(UNTRAINED, pyramid=2, **other)
