"""Everything the built-in plugins offer keeps its contract."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from tests.tlcore_datasets.official_archives import cats_vs_dogs_zip, pets_archives
from tlcore.plugins import installed_plugins
from tlcore.testing import (
    BackboneConformance,
    DatasetConformance,
    FineTuneConformance,
    HeadConformance,
    ObserverConformance,
    PluginConformance,
    VisualizerConformance,
    check_names,
    run_checks,
)
from tlcore.testing.checking import SUITES
from tlcore_mini.weights import PACKAGED

pytestmark = pytest.mark.usefixtures("unchecked_types")


@pytest.mark.parametrize("check", [name for name in dir(PluginConformance) if name.startswith("test_")])
@pytest.mark.parametrize("plugin", sorted(plugin.key for plugin in installed_plugins() if plugin.distribution == "tlcore"))
def test_plugin(plugin: str, check: str, suites: dict[str, Any]) -> None:
    suite = suites.setdefault(plugin, type("Plugin", (PluginConformance,), {"name": plugin})())
    getattr(suite, check)()


@pytest.fixture(scope="module")
def suites() -> dict[str, Any]:
    return {}


class TestLinear(HeadConformance):
    name = "linear"


class TestDiscriminant(HeadConformance):
    name = "discriminant"


class TestPrototype(HeadConformance):
    name = "prototype"


class TestNeighbours(HeadConformance):
    name = "knn"


class TestCosine(HeadConformance):
    name = "cosine"


class TestPerceptron(HeadConformance):
    name = "mlp"
    options: ClassVar = {"hidden": 32, "epochs": 30}


class TestAuto(HeadConformance):
    name = "auto"
    options: ClassVar = {"candidates": ("linear", "prototype", "knn")}


class TestFull(FineTuneConformance):
    name = "full"
    options: ClassVar = {"epochs": 2, "workers": 0, "learning_rate": 0.02, "batch_size": 4}


class TestJsonLines(ObserverConformance):
    name = "json-lines"


class TestTensorBoard(ObserverConformance):
    name = "tensorboard"


class TestTimm(BackboneConformance):
    name = "timm/test_resnet"
    options: ClassVar = {"pretrained": False}


@pytest.mark.parametrize("name", ["local-dir:{weights}/mobilenetv2_100"])
def test_making_pretrained_networks_draws_no_random_numbers(name: str, request: pytest.FixtureRequest) -> None:
    if "{weights}" in name:
        name = name.format(weights=request.getfixturevalue("shared") / "weights")
    suite = type("Pretrained", (BackboneConformance,), {"name": name})
    (result,) = run_checks(suite, name, ["test_using_it_changes_no_global_state"])
    assert (result.outcome, result.message) == ("passed", "")


class TestDigits(DatasetConformance):
    name = "digits"


class TestExplain(VisualizerConformance):
    name = "explain"
    options: ClassVar = {"method": "all", "channels": 4, "steps": 4}


class TestFeatures(VisualizerConformance):
    name = "features"
    needs_dataset = True
    options: ClassVar = {"most": 2, "examples": 2}


class TestMap(VisualizerConformance):
    name = "map"
    needs_images = False
    needs_dataset = True


def write_photos(folder: Path) -> list[Path]:
    random = np.random.default_rng(0)
    files = [folder / name / f"{index}.png" for name in ("cat", "dog") for index in range(3)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(file)
    return files


def write_form(form: str, folder: Path) -> Path:
    """Write six photos in one of the forms that the built-in datasets read, and return its path."""
    files = write_photos(folder)
    names = [file.relative_to(folder).as_posix() for file in files]
    if form == "folder":
        return folder
    target = folder / f"photos.{form}"
    if form == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for file, name in zip(files, names, strict=True):
                archive.write(file, name)
    elif form == "tar":
        with tarfile.open(target, "w") as archive:
            for file, name in zip(files, names, strict=True):
                archive.add(file, name)
    elif form == "csv":
        target.write_text("path,label\n" + "".join(f"{name},{name[:3]}\n" for name in names), encoding="utf-8")
    else:
        rows = [json.dumps({"path": name, "label": name[:3]}) for name in names]
        target.write_text("\n".join(rows), encoding="utf-8")
    return target


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "csv", "jsonl"])
def test_own_files_as_a_dataset(form: str, tmp_path: Path) -> None:
    suite = type("Own", (DatasetConformance,), {"name": f"{form}:{write_form(form, tmp_path)}"})
    results = list(run_checks(suite, form))
    assert [result for result in results if result.outcome == "failed"] == []
    assert len(results) == len(check_names(suite))


def write_parquet(folder: Path) -> tuple[str, dict[str, object]]:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (pip install 'tlcore[tables]')")
    from pyarrow import parquet

    names = [file.relative_to(folder).as_posix() for file in write_photos(folder)]
    parquet.write_table(pyarrow.table({"path": names, "label": [name[:3] for name in names]}), folder / "photos.parquet")
    return f"parquet:{folder / 'photos.parquet'}", {}


def write_hugging_face(folder: Path) -> tuple[str, dict[str, object]]:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install 'tlcore[huggingface]')")
    files = write_photos(folder)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [{"bytes": file.read_bytes(), "path": None} for file in files]
    columns = {"image": images, "label": [int(file.parent.name == "dog") for file in files]}
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(folder / "saved"))
    return f"hf:{folder / 'saved'}", {}


def write_cats_vs_dogs(folder: Path) -> tuple[str, dict[str, object]]:
    (folder / "kagglecatsanddogs_5340.zip").write_bytes(cats_vs_dogs_zip())
    return "cats-vs-dogs", {"root": str(folder)}


def write_pets(folder: Path) -> tuple[str, dict[str, object]]:
    for name, content in pets_archives().items():
        (folder / name).write_bytes(content)
    return "oxford-iiit-pet", {"root": str(folder)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write_parquet, id="parquet"),
        pytest.param(write_hugging_face, id="hf"),
        pytest.param(write_cats_vs_dogs, id="cats-vs-dogs"),
        pytest.param(write_pets, id="oxford-iiit-pet"),
    ],
)
def test_other_datasets(write: Callable[[Path], tuple[str, dict[str, object]]], tmp_path: Path) -> None:
    name, options = write(tmp_path)
    results = list(run_checks(type("Other", (DatasetConformance,), {"name": name, "options": options}), name))
    assert [result for result in results if result.outcome == "failed"] == []
    assert len(results) == len(check_names(DatasetConformance))


@pytest.mark.parametrize("form", ["mini", "mini-dir", "local-dir", "hf-hub"])
def test_pretrained_networks(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network in the box: as it is, from its folder by its own and by timm's loader, and from a cache of the hub."""
    argument = {"mini": "", "hf-hub": ":someone/tiny"}.get(form, f":{PACKAGED}")
    if form == "hf-hub":
        put_into_hub_cache(tmp_path, monkeypatch)
    results = list(run_checks(type("Pretrained", (BackboneConformance,), {"name": form + argument}), form))
    assert [(result.check, result.message) for result in results if result.outcome == "failed"] == []
    assert sum(result.outcome == "passed" for result in results) >= 12


def put_into_hub_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay a repository out as the hub's own client does after a download."""
    from huggingface_hub import constants

    commit = "0123456789" * 4
    repository = home / "hub" / "models--someone--tiny"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(PACKAGED / name, snapshot / name)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))


def test_every_kind_has_its_suite() -> None:
    assert set(SUITES.values()) == {
        BackboneConformance,
        DatasetConformance,
        HeadConformance,
        VisualizerConformance,
        FineTuneConformance,
        ObserverConformance,
    }


class TestAdversarial(VisualizerConformance):
    name = "adversarial"
    options: ClassVar = {"method": "pgd", "steps": 3, "onnx": False}


class TestPatch(VisualizerConformance):
    name = "adversarial:patch"
    options: ClassVar = {"steps": 2}
    classes = (1,)
