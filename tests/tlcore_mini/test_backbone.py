"""The network in the box: its files, its contract, its bundle round trip, and what it says of damage."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("timm")
pytest.importorskip("sklearn")

import timm
import torch
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from timm.data import create_transform, resolve_data_config

from tlcore.errors import BackboneError
from tlcore_mini import DirectoryOptions, MiniOptions, tlcore_backbones, weights
from tlcore_mini.backbone import MiniBackbone
from tlcore_mini.factories import from_directory, from_package
from tlcore_mini.training.measure import mcnemar


@pytest.fixture(scope="module")
def backbone() -> MiniBackbone:
    return from_package(None, MiniOptions())


def photo(size: tuple[int, int] = (200, 150)) -> Image.Image:
    width, height = size
    red = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    green = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([red, green, 255 - red], axis=2).astype(np.uint8))


def test_info_says_what_it_is(backbone: MiniBackbone) -> None:
    info = backbone.info
    assert (info.name, info.architecture, info.feature_size, info.pretrained) == ("mini", "resnet14t", 768, True)
    assert info.preprocess.image_size == (128, 128)
    assert len(info.class_names) == 1000 and info.class_names[340] == "zebra"
    assert info.parameters < 2_500_000 and "research" in info.licence


def test_files_stay_small() -> None:
    assert (weights.PACKAGED / "model.safetensors").stat().st_size <= 5_000_000


@pytest.mark.parametrize(
    "image",
    [photo(), photo((20, 15)), Image.new("RGB", (1, 1)), photo().convert("L").convert("RGB"), photo((900, 3))],
    ids=["photo", "smaller", "one-pixel", "grey", "strip"],
)
def test_features_are_finite(backbone: MiniBackbone, image: Image.Image) -> None:
    features = backbone.features(backbone.info.preprocess.pixels(image)[None])
    assert features.shape == (1, 768) and features.std() > 0.01


def test_same_features_alone_and_in_a_batch(backbone: MiniBackbone) -> None:
    pixels = np.stack([backbone.info.preprocess.pixels(image) for image in (photo(), photo((90, 300)), photo((64, 64)))])
    together = backbone.features(pixels)
    np.testing.assert_allclose(together[1:2], backbone.features(pixels[1:2]), atol=1e-4)


def test_preprocess_equals_timm(backbone: MiniBackbone) -> None:
    transform = create_transform(**resolve_data_config({}, model=_plain_timm()))
    ours = backbone.info.preprocess
    np.testing.assert_allclose(ours.normalise(ours.pixels(photo())[None])[0], transform(photo()).numpy(), atol=1e-5)


def test_plain_timm_loads_the_folder(backbone: MiniBackbone) -> None:
    inputs = torch.from_numpy(backbone.info.preprocess.normalise(backbone.info.preprocess.pixels(photo())[None]))
    with torch.inference_mode():
        np.testing.assert_allclose(_plain_timm()(inputs), backbone.torch_network()(inputs), atol=1e-4)


def test_feature_maps_average_to_features(backbone: MiniBackbone) -> None:
    pixels = backbone.info.preprocess.pixels(photo())[None]
    maps = backbone.feature_maps(pixels, ["layer1", "layer4"])
    assert maps["layer1"].shape == (1, 64, 32, 32)
    np.testing.assert_allclose(maps["layer4"].mean(axis=(2, 3)), backbone.features(pixels), atol=1e-4)


def test_untrained_is_seeded_and_differs() -> None:
    digests = [from_package(None, MiniOptions(pretrained=False, seed=seed)).info.weights_digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] != from_package(None, MiniOptions()).info.weights_digest


def test_what_it_was_taught_transfers_to_a_domain_it_never_saw(backbone: MiniBackbone) -> None:
    """Handwritten digits, five of each to learn from: far above the same network with random weights."""
    data = load_digits()
    pictures = [Image.fromarray((255 - 15.9 * grid).astype(np.uint8)).convert("RGB") for grid in data.images[:400]]
    pixels = np.stack([backbone.info.preprocess.pixels(picture.resize((128, 128))) for picture in pictures])
    fitting = np.concatenate([np.flatnonzero(data.target[:300] == digit)[:5] for digit in range(10)])
    right = []
    for one in (backbone, from_package(None, MiniOptions(pretrained=False))):
        scaler = StandardScaler().fit(one.features(pixels[fitting]))
        head = LogisticRegression(C=0.01).fit(scaler.transform(one.features(pixels[fitting])), data.target[fitting])
        right.append(head.predict(scaler.transform(one.features(pixels[300:]))) == data.target[300:400])
    assert right[0].mean() > right[1].mean() + 0.15
    assert mcnemar(*right) < 0.001


@pytest.mark.parametrize("with_classifier", [True, False], ids=["classifier", "features-only"])
def test_network_files_come_back_equal(backbone: MiniBackbone, tmp_path: Path, with_classifier: bool) -> None:
    random = np.random.default_rng(0)
    classifier = (random.random((3, 768), dtype=np.float32), random.random(3, dtype=np.float32)) if with_classifier else None
    files = backbone.network_files(classifier, ["a", "b", "c"])
    save_file(dict(files.tensors), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(files.config))
    again = from_directory(str(tmp_path), DirectoryOptions())
    assert again.info.weights_digest == backbone.info.weights_digest
    assert again.info.preprocess == backbone.info.preprocess
    assert again.info.class_names == (("a", "b", "c") if with_classifier else ())
    pixels = backbone.info.preprocess.pixels(photo())[None]
    np.testing.assert_allclose(again.features(pixels), backbone.features(pixels), atol=1e-5)
    if classifier is not None:
        logits = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()(
            torch.from_numpy(backbone.info.preprocess.normalise(pixels))
        )
        expected = backbone.features(pixels) @ classifier[0].T + classifier[1]
        np.testing.assert_allclose(logits.detach().numpy(), expected, atol=1e-3)


def test_another_image_size() -> None:
    larger = from_package(None, dataclasses.replace(MiniOptions(), image_size=160))
    assert larger.info.preprocess.image_size == (160, 160)
    assert larger.features(larger.info.preprocess.pixels(photo())[None]).shape == (1, 768)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    shutil.copytree(weights.PACKAGED, folder)
    monkeypatch.setattr(weights, "PACKAGED", folder)
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_file_says_so(copied: Path, name: str, damage: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[:1000] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BackboneError, match=rf"{name} is damaged: expected SHA-256 .*; install tlcore again"):
        from_package(None, MiniOptions())


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"config.json": "'], ids=["empty", "list", "without-names", "cut"])
def test_damaged_digests_say_so(copied: Path, content: str) -> None:
    (copied / "digests.json").write_text(content)
    with pytest.raises(BackboneError, match=r"digests\.json is damaged .*; install tlcore again"):
        from_package(None, MiniOptions())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "digests.json"])
def test_missing_file_says_so(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BackboneError, match=rf"{name} cannot be read .*; install tlcore again"):
        from_package(None, MiniOptions())


def test_argument_is_refused() -> None:
    with pytest.raises(BackboneError, match="mini is one network and takes no argument, got 'large'"):
        from_package("large", MiniOptions())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_directory_without_its_files(tmp_path: Path, name: str) -> None:
    shutil.copytree(weights.PACKAGED, tmp_path / "copy")
    (tmp_path / "copy" / name).unlink()
    with pytest.raises(BackboneError, match=f"{name} is missing"):
        from_directory(str(tmp_path / "copy"), DirectoryOptions())


def test_directory_of_another_network(tmp_path: Path) -> None:
    shutil.copytree(weights.PACKAGED, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text('{"architecture": "resnet18"}')
    with pytest.raises(BackboneError, match=r"holds another network \(resnet18\); use 'local-dir:"):
        from_directory(str(tmp_path / "copy"), DirectoryOptions())


def test_directory_with_damaged_weights(tmp_path: Path) -> None:
    shutil.copytree(weights.PACKAGED, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"12345678 no weights")
    with pytest.raises(BackboneError, match="the weights file is damaged"):
        from_directory(str(tmp_path / "copy"), DirectoryOptions())


def test_listing_imports_no_torch_and_reads_no_weights() -> None:
    code = (
        "import sys, tlcore_mini; assert [spec.name for spec in tlcore_mini.tlcore_backbones()] == ['mini', 'mini-dir'];"
        "assert not {'torch', 'timm', 'safetensors', 'tlcore_mini.weights'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(tlcore_backbones()) == 2


def _plain_timm() -> torch.nn.Module:
    return timm.create_model(f"local-dir:{weights.PACKAGED}", pretrained=True).eval()
