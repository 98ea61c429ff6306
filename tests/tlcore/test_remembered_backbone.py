from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.numpy import load, save
from timm.models import save_for_hf

from tlcore import Registry
from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError
from tlcore.network_recipe import learn_recipe
from tlcore.preprocess import Preprocess
from tlcore.remembered_backbone import RememberedBackbone
from tlcore.weights import weights_digest

UNBUILT = """
import sys
from pathlib import Path
import numpy as np
from tlcore import Registry

backbone = Registry().backbone(sys.argv[1], cache_directory=Path(sys.argv[2]))
size = backbone.info.feature_size
files = backbone.network_files((np.zeros((4, size), np.float32), np.zeros(4, np.float32)), list("abcd"))
print(files.config["num_classes"], sorted({"torch", "timm", "torchvision"} & set(sys.modules)))
"""


def network(tmp_path: Path, architecture: str, classes: int = 7) -> Path:
    torch.manual_seed(3)
    directory = tmp_path / architecture
    save_for_hf(timm.create_model(architecture, num_classes=classes), str(directory), safe_serialization=True)
    return directory


def classifier(backbone: Backbone, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    weight = random.standard_normal((classes, backbone.info.feature_size)).astype(np.float32)
    return weight, random.standard_normal(classes).astype(np.float32)


def is_built(backbone: Backbone) -> bool:
    return not isinstance(backbone, RememberedBackbone) or "_built" in vars(backbone)


@pytest.mark.parametrize("name", ["mini", "local-dir"])
def test_asked_again_it_needs_neither_torch_nor_timm(name: str, tmp_path: Path, registry: Registry) -> None:
    reference = name if name == "mini" else f"local-dir:{network(tmp_path, 'test_efficientnet')}"
    registry.backbone(reference, cache_directory=tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", UNBUILT, reference, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "4 []\n"


@pytest.mark.parametrize("classes", [0, 2, 7], ids=["no-classifier", "classes", "as-many-classes-as-its-own"])
@pytest.mark.parametrize("architecture", ["test_efficientnet", "test_vit", "test_nfnet", "test_byobnet"])
def test_files_saved_unbuilt_are_those_saved_built(
    architecture: str, classes: int, tmp_path: Path, registry: Registry
) -> None:
    reference = f"local-dir:{network(tmp_path, architecture)}"
    built = registry.backbone(reference, cache_directory=tmp_path)
    unbuilt = registry.backbone(reference, cache_directory=tmp_path)
    assert unbuilt.info == built.info
    put_in = classifier(built, classes) if classes else None
    names = [f"kind {index}" for index in range(classes)]
    expected, found = (backbone.network_files(put_in, names) for backbone in (built, unbuilt))
    assert expected is not None
    assert found is not None
    assert is_built(unbuilt) == (classes == 7)
    assert found.config == json.loads(json.dumps(expected.config))
    assert found.loader == expected.loader
    assert save(dict(found.tensors)) == save({name: np.asarray(a, order="C") for name, a in expected.tensors.items()})


def test_it_is_built_where_an_image_is_embedded(tmp_path: Path, registry: Registry) -> None:
    built = registry.backbone("mini", cache_directory=tmp_path)
    unbuilt = registry.backbone("mini", cache_directory=tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    assert not is_built(unbuilt)
    np.testing.assert_array_equal(unbuilt.features(images), built.features(images))
    assert is_built(unbuilt)
    assert unbuilt.layers() == built.layers()


def test_without_a_cache_it_is_built_at_once(registry: Registry) -> None:
    assert not isinstance(registry.backbone("mini"), RememberedBackbone)


@pytest.mark.parametrize("changed", ["weights", "configuration", "options", "version"])
def test_what_changed_is_noticed(changed: str, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = network(tmp_path, "test_efficientnet")
    first = registry.backbone(f"local-dir:{directory}", cache_directory=tmp_path)
    options: dict[str, object] = {}
    if changed == "weights":
        change_weights(directory)
    elif changed == "configuration":
        config = json.loads((directory / "config.json").read_text())
        config["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
        (directory / "config.json").write_text(json.dumps(config))
    elif changed == "options":
        options["image_size"] = 64
    else:
        monkeypatch.setattr("importlib.metadata.version", str.upper)
    second = registry.backbone(f"local-dir:{directory}", options, cache_directory=tmp_path)
    assert not isinstance(second, RememberedBackbone)
    assert (second.info == first.info) == (changed == "version")
    again = registry.backbone(f"local-dir:{directory}", options, cache_directory=tmp_path)
    assert isinstance(again, RememberedBackbone)
    assert again.info == second.info


def test_weights_that_change_while_in_use_are_refused(tmp_path: Path, registry: Registry) -> None:
    directory = network(tmp_path, "test_efficientnet")
    reference = f"local-dir:{directory}"
    registry.backbone(reference, cache_directory=tmp_path)
    saving, embedding = (registry.backbone(reference, cache_directory=tmp_path) for _ in range(2))
    change_weights(directory)
    with pytest.raises(BackboneError, match="changed while it was in use; run the command again"):
        saving.network_files(classifier(saving, 2), ["a", "b"])
    with pytest.raises(BackboneError, match="changed while it was in use; run the command again"):
        embedding.layers()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"record": {}, "digest": ""}', "one value"], ids=repr)
def test_a_damaged_record_is_made_again(damage: bytes | str, tmp_path: Path, registry: Registry) -> None:
    built = registry.backbone("mini", cache_directory=tmp_path)
    (record,) = (tmp_path / "backbones").iterdir()
    whole = record.read_bytes()
    record.write_bytes(
        damage if isinstance(damage, bytes) else whole.replace(b'"feature_size": 768', b'"feature_size": 767')
    )
    assert not isinstance(registry.backbone("mini", cache_directory=tmp_path), RememberedBackbone)
    assert record.read_bytes() == whole
    assert registry.backbone("mini", cache_directory=tmp_path).info == built.info


def test_where_nothing_may_be_written_it_is_built(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "backbones").write_text("in the way")
    for _ in range(2):
        assert not isinstance(registry.backbone("mini", cache_directory=tmp_path), RememberedBackbone)


def change_weights(directory: Path) -> None:
    file = directory / "model.safetensors"
    tensors = load(file.read_bytes())
    name = next(name for name in sorted(tensors) if tensors[name].dtype == np.float32)
    file.write_bytes(save({**tensors, name: tensors[name] + 1}))
    shutil.copystat(directory / "config.json", file)


class Plain(Backbone):
    """A backbone of one matrix, whose files are as asked for."""

    def __init__(self, matrix: np.ndarray, fault: str = "") -> None:
        self._matrix = matrix
        self._fault = fault

    @property
    def info(self) -> BackboneInfo:
        preprocess = Preprocess(image_size=(8, 8))
        digest = weights_digest({"matrix": self._matrix})
        return BackboneInfo(
            name="plain", architecture="plain", feature_size=4, preprocess=preprocess, weights_digest=digest,
            pretrained=True, parameters=4,
        )  # fmt: skip

    def compute_features(self, inputs: np.ndarray) -> np.ndarray:
        raise AssertionError("nothing is computed here")

    def network_files(
        self, classifier: tuple[np.ndarray, np.ndarray] | None, class_names: Sequence[str]
    ) -> NetworkFiles | None:
        tensors, config = {"matrix": self._matrix}, {"classes": len(class_names), "names": list(class_names)}
        if classifier is not None:
            weight, bias = classifier
            tensors |= {"head.w": weight * 2 if self._fault == "scaled" else weight, "head.b": bias}
        if classifier is not None and self._fault == "width":
            config["width"] = 10 * len(class_names)  # type: ignore[assignment]
        if classifier is not None and self._fault == "third tensor":
            tensors["head.s"] = np.ones(1, np.float32)
        if classifier is not None and self._fault == "other weights":
            tensors["matrix"] = self._matrix + 1
        return None if self._fault == "no files" else NetworkFiles(tensors=tensors, config=config, loader="plain")


@pytest.mark.parametrize("fault", ["scaled", "width", "third tensor", "other weights", "no files"])
def test_files_made_otherwise_have_no_recipe(fault: str, tmp_path: Path) -> None:
    matrix = np.ones((4, 4), np.float32)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(save({"matrix": matrix}))
    assert learn_recipe(Plain(matrix), file) is not None
    assert learn_recipe(Plain(matrix, fault), file) is None
    assert learn_recipe(Plain(matrix + 1), file) is None
    assert learn_recipe(Plain(matrix), tmp_path / "missing") is None


def test_half_precision_is_widened_as_the_network_does(tmp_path: Path) -> None:
    matrix = np.linspace(0, 1, 16, dtype=np.float16).reshape(4, 4)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(save({"matrix": matrix}))
    plain = Plain(matrix.astype(np.float32))
    recipe = learn_recipe(plain, file)
    assert recipe is not None
    files = recipe.files(plain.info, file, None, ())
    assert files is not None
    np.testing.assert_array_equal(files.tensors["matrix"], matrix.astype(np.float32))
    with pytest.raises(BackboneError, match="changed while it was in use"):
        recipe.files(replace(plain.info, weights_digest="0" * 64), file, None, ())
