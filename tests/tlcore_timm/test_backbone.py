from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from timm.models import save_for_hf

from tlcore import Registry
from tlcore.errors import BackboneError

TINY = {"pretrained": False, "image_size": 32}


def pixels(count: int = 3, side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("weights") / "tiny"
    torch.manual_seed(3)
    network = timm.create_model("test_efficientnet", num_classes=7)
    save_for_hf(network, str(directory), safe_serialization=True)
    return directory


@pytest.mark.parametrize(
    "name", ["timm/test_resnet", "test_resnet", "timm:test_resnet.r160_in1k", "tlcore:timm/test_resnet"]
)
def test_names_that_mean_one_network(registry: Registry, name: str) -> None:
    info = registry.backbone(name, TINY).info
    assert (info.architecture, info.feature_size, info.pretrained) == ("test_resnet", 96, False)
    assert info.preprocess.image_size == (32, 32)


@pytest.mark.parametrize(
    "architecture", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_nfnet", "test_byobnet"]
)
def test_features_are_what_the_classifier_is_fed(registry: Registry, architecture: str) -> None:
    backbone = registry.backbone(architecture, {"pretrained": False})
    images = pixels(2, backbone.info.preprocess.image_size[0])
    features = backbone.features(images)
    network = backbone.torch_network()
    with torch.inference_mode():
        expected = network(torch.from_numpy(backbone.info.preprocess.normalise(images))).numpy()
        given = network.get_classifier()(torch.from_numpy(features)).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-4)


def test_a_linear_classifier_is_put_in(registry: Registry) -> None:
    backbone = registry.backbone("test_resnet", TINY)
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(5, 96)).astype(np.float32), random.normal(size=5).astype(np.float32)
    network = backbone.torch_classifier(weight, bias)
    with torch.inference_mode():
        logits = network(torch.from_numpy(backbone.info.preprocess.normalise(pixels()))).numpy()
    np.testing.assert_allclose(logits, backbone.features(pixels()) @ weight.T + bias, rtol=1e-3, atol=1e-3)


def test_random_weights_follow_the_seed_and_leave_the_generator_alone(registry: Registry) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, same = (registry.backbone("test_resnet", TINY).info.weights_digest for _ in range(2))
    other = registry.backbone("test_resnet", {**TINY, "seed": 1}).info.weights_digest
    assert one == same != other
    assert torch.rand(1) == expected


def test_rows_do_not_depend_on_the_batch(registry: Registry) -> None:
    backbone = registry.backbone("test_resnet", TINY)
    together = backbone.features(pixels(8))
    np.testing.assert_allclose(together[3:4], backbone.features(pixels(8)[3:4]), rtol=1e-4, atol=1e-5)


def test_feature_maps_by_layer_name(registry: Registry) -> None:
    backbone = registry.backbone("test_resnet", TINY)
    assert "layer1" in backbone.layers()
    maps = backbone.feature_maps(pixels(), ["layer1", "layer4"])
    assert [maps[layer].shape[:2] for layer in ("layer1", "layer4")] == [(3, 32), (3, 96)]
    with pytest.raises(BackboneError, match=r"has no layer 'layr1'; did you mean 'layer1'\?"):
        backbone.feature_maps(pixels(), ["layr1"])


def test_a_directory_is_read_with_its_labels(registry: Registry, saved: Path) -> None:
    backbone = registry.backbone(f"local-dir:{saved}")
    assert backbone.info.pretrained
    assert backbone.torch_network().num_classes == 7
    assert backbone.info.weights_digest == registry.backbone(f"local-dir:{saved}").info.weights_digest


@pytest.mark.parametrize(
    ("damage", "told"),
    [(lambda path: (path / "config.json").unlink(), "config.json is missing"),
     (lambda path: (path / "model.safetensors").unlink(), "model.safetensors is missing"),
     (lambda path: (path / "config.json").write_text("{"), "config.json is not a timm configuration"),
     (lambda path: (path / "config.json").write_text('{"architecture": "test_resnte"}'), "timm has no architecture 'test_resnte'; did you mean 'test_resnet'?"),
     (lambda path: (path / "config.json").write_text('{"architecture": "test_resnet"}'), "the network cannot be made"),
     (lambda path: (path / "model.safetensors").write_bytes(b"123"), "the weights file is damaged")],
    ids=["no-config", "no-weights", "broken-config", "unknown-architecture", "other-architecture", "broken-weights"],
)  # fmt: skip
def test_a_damaged_directory_is_told(registry: Registry, saved: Path, tmp_path: Path, damage: object, told: str) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((saved / file).read_bytes())
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(BackboneError) as error:
        registry.backbone(f"local-dir:{tmp_path}")
    assert told in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [("local-dir:nowhere", "nowhere is not a directory"),
     ("timm", "timm needs a model's name"),
     ("timm/resnet81", "timm has no model 'resnet81'; did you mean 'resnet18'?"),
     ("hf-hub:justaname", "hf-hub needs ORGANISATION/NAME"),
     ("resnet18.a1_in1k", "is not in the cache"),
     ("hf-hub:someone/network", "config.json of someone/network is not in the cache")],
)  # fmt: skip
def test_what_cannot_be_made_is_told(registry: Registry, name: str, told: str) -> None:
    with pytest.raises(BackboneError) as error:
        registry.backbone(name)
    assert told in str(error.value)


@pytest.mark.parametrize("family", ["vgg16", "vgg19", "resnet", "mobilenet"])
def test_the_lessons_families_are_featured_and_exist(registry: Registry, family: str) -> None:
    offer = registry.resolve("backbone", "timm").offer
    featured = [name for name in offer.spec.featured if name.startswith(family)]
    assert featured
    assert set(featured) <= set(timm.list_models(pretrained=True))


def test_classes_are_called_by_their_descriptions_where_there_are_some(registry: Registry, tmp_path: Path) -> None:
    network = timm.create_model("test_resnet", num_classes=3)
    labels = {"label_names": ["n01", "n02", "n03"], "label_descriptions": {"n01": "cat, house cat", "n03": "dog"}}
    save_for_hf(network, str(tmp_path / "named"), model_config=labels, safe_serialization=True)
    assert registry.backbone(f"local-dir:{tmp_path / 'named'}").info.class_names == ("cat, house cat", "n02", "dog")


def test_real_weights_know_their_classes(registry: Registry, shared: Path) -> None:
    info = registry.backbone(f"local-dir:{shared / 'weights' / 'mobilenetv2_100'}").info
    assert len(info.class_names) == 1000
    assert info.class_names[340].startswith("zebra")
    assert (info.licence, info.feature_size) == ("apache-2.0", 1280)
    assert json.loads(json.dumps(info.preprocess.to_dict()))["interpolation"] == "bilinear"


@pytest.mark.parametrize(("architecture", "whole"), [("test_resnet", True), ("deit_tiny_distilled_patch16_224", False)])
def test_only_a_network_with_one_linear_classifier_is_written_whole(
    registry: Registry, architecture: str, whole: bool
) -> None:
    backbone = registry.backbone(architecture, {"pretrained": False})
    size = backbone.info.feature_size
    files = backbone.network_files((np.zeros((2, size), np.float32), np.zeros(2, np.float32)), ["a", "b"])
    assert (files is not None) == whole
