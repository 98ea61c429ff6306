from __future__ import annotations

import pytest
import timm
import torch

from tlcore import Subject
from tlcore.errors import VisualizationError
from tlcore_visualizers.borrowed import borrowed, captured
from tlcore_visualizers.layers import choose_layer, find_layers, last_of_each_size
from tlcore_visualizers.saliency.activation import activation_layer, grad_cam

NETWORKS = [
    ("resnet18", 64, {}, ("layer4", "channels-first", 512, 2, 2)),
    ("mobilenetv2_100", 64, {}, ("bn2", "channels-first", 1280, 2, 2)),
    ("vgg11", 64, {"mlp_ratio": 0.02}, ("features", "channels-first", 512, 2, 2)),
    ("convnext_atto", 64, {}, ("norm_pre", "channels-first", 320, 2, 2)),
    ("vit_tiny_patch16_224", 64, {"img_size": 64}, ("blocks.11.norm1", "tokens", 192, 4, 4)),
    ("vit_tiny_patch16_224", 64, {"img_size": (64, 96), "global_pool": "avg"}, ("norm", "tokens", 192, 4, 6)),
    ("deit_tiny_distilled_patch16_224", 64, {"img_size": 64}, ("blocks.11.norm1", "tokens", 192, 4, 4)),
    ("swin_tiny_patch4_window7_224", 64, {"img_size": 64, "window_size": 2, "depths": (1, 1, 1, 1)}, ("norm", "channels-last", 768, 2, 2)),
    ("efficientformer_l1", 224, {}, ("norm", "tokens", 448, 7, 7)),
    ("test_vit", 64, {"img_size": 64}, None),
    ("test_convnext", 64, {}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "settings", "expected"), NETWORKS, ids=[f"{n}-{len(s)}" for n, _, s, _ in NETWORKS]
)
def test_grad_cam_finds_its_layer_and_works_on_frozen_weights(
    name: str, size: int, settings: dict, expected: tuple | None
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name, num_classes=10, **settings)
        for module in network.modules():
            if isinstance(module, torch.nn.Linear) and module.out_features == 10:
                torch.nn.init.normal_(module.weight)  # some start as zeros, through which no gradient goes
    network.eval().requires_grad_(False)
    image_size = settings.get("img_size", size)
    height, width = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    layers = find_layers(network, (height, width))
    with borrowed(network):
        layer = activation_layer(network, layers, (height, width))
        values = grad_cam(network, torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1)), 3, layer)
    if expected is not None:
        assert (layer.name, layer.arrangement, layer.channels, layer.rows, layer.columns) == expected
    assert values.shape == (height, width)
    assert torch.isfinite(values).all()
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in network.parameters())


def test_tokens_lie_where_their_patches_are() -> None:
    network = timm.create_model("test_vit", num_classes=3, img_size=64).eval()
    (layer,) = (each for each in find_layers(network, (64, 64)) if each.name == "patch_embed")
    inputs = torch.zeros(1, 3, 64, 64)
    inputs[:, :, 16:32, 48:64] = 1.0
    with torch.no_grad(), captured(network, ["patch_embed"]) as outputs:
        network(inputs)
    grid = layer.grid(outputs["patch_embed"])[0]
    changed = (grid != grid[:, :1, :1]).any(0)
    assert changed.nonzero().tolist() == [[1, 3]]


def test_an_unknown_layer_names_the_nearest(mini: Subject) -> None:
    layers = find_layers(mini.network, mini.preprocess.image_size)
    with pytest.raises(
        VisualizationError, match=r"no layer 'layr3'; did you mean 'layer3'\? 'tl features MODEL --layers' lists all"
    ):
        choose_layer(layers, "layr3")


def test_the_ends_of_stages_are_the_layers_shown_first(mini: Subject) -> None:
    layers = find_layers(mini.network, mini.preprocess.image_size)
    assert [layer.name for layer in last_of_each_size(layers)][-3:] == ["layer2", "layer3", "layer4"]


def test_a_network_without_a_grid_is_told() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    assert find_layers(network, (8, 8)) == ()
    with pytest.raises(VisualizationError, match="no layer whose output lies on a grid"):
        choose_layer((), "conv1")
    with pytest.raises(VisualizationError, match="choose another method, for instance occlusion"):
        activation_layer(network, (), (8, 8))
