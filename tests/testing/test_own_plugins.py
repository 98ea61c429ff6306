"""Everything the built-in plugins offer keeps its contract."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from tlcore.plugins import installed_plugins
from tlcore.testing import (
    BackboneConformance,
    DatasetConformance,
    HeadConformance,
    PluginConformance,
    VisualizerConformance,
    check_names,
    run_checks,
)
from tlcore.testing.checking import SUITES

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


class TestTimm(BackboneConformance):
    name = "timm/test_resnet"
    options: ClassVar = {"pretrained": False}


@pytest.mark.parametrize("name", ["mini", "local-dir:{weights}/mobilenetv2_100"])
def test_making_pretrained_networks_draws_no_random_numbers(name: str, request: pytest.FixtureRequest) -> None:
    if "{weights}" in name:
        name = name.format(weights=request.getfixturevalue("shared") / "weights")
    suite = type("Pretrained", (BackboneConformance,), {"name": name})
    (result,) = run_checks(suite, name, ["test_using_it_changes_no_global_state"])
    assert (result.outcome, result.message) == ("passed", "")


class TestDigits(DatasetConformance):
    name = "digits"


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


def test_every_kind_has_its_suite() -> None:
    assert set(SUITES.values()) == {
        BackboneConformance,
        DatasetConformance,
        HeadConformance,
        VisualizerConformance,
    }
