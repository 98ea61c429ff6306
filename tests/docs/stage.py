"""What stands on the stage while the documentation's commands run: small data, models, and parts played by others."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from tests.conftest import draw_shape, write_distribution
from tests.tlcore.data.file_server import FileServer
from tests.tlcore_datasets.official_archives import cats_vs_dogs_zip, pets_archives, served_from
from tlcore import Registry, TrainOptions, train
from tlcore.export import ExportOptions, export_onnx
from tlcore.preprocess import Preprocess

ROOT = Path(__file__).parents[2]
MINI = ROOT / "plugins" / "tlcore_mini" / "weights"
SHAPES = ("circle", "bar", "square")
DIGITS = 150


def write_photos(root: Path, classes: Sequence[str], count: int, first: int = 0, suffix: str = "jpg") -> Path:
    """Write a folder per class, each of a shape and tint of its own; photos are numbered from 4001, as the lesson's are."""
    for position, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(first, first + count):
            pixels = np.asarray(draw_shape(SHAPES[position % 3], 1000 * position + number))
            tint = np.array([255 - 40 * (position // 3), 255, 255 - 30 * position % 256]) / 255
            Image.fromarray((pixels * tint).astype(np.uint8)).save(root / name / f"{4001 + number}.{suffix}", quality=95)
    return root


def write_models(place: Path) -> Path:
    """Train the classifiers that the pages speak of, and export one."""
    photos = write_photos(place / "learnt", ("Cat", "Dog"), 16, 500)
    options = TrainOptions(backbone="mini", audit=False)
    bundle = train(str(photos), place / "cats-and-dogs", options, registry=Registry()).bundle
    (place / "my-classifier").symlink_to("cats-and-dogs")
    export_onnx(bundle, place / "cats-and-dogs.onnx", ExportOptions())
    for name in ("model", "pets", "old", "new"):
        (place / f"{name}.onnx").symlink_to("cats-and-dogs.onnx")
    return place


def write_stage(place: Path, models: Path) -> Path:
    """Write all that the commands of any page name and do not make themselves."""
    shutil.copytree(models, place, symlinks=True)
    (place / "docs").symlink_to(ROOT / "docs")
    (place / "tlcore-hog").symlink_to(ROOT / "tests" / "plugins" / "tlcore-hog")
    for number, name in enumerate(("PetImages", "photos", "other-photos", "more-photos")):
        write_photos(place / name, ("Cat", "Dog"), 13, 20 * number)
    write_photos(place / "clothing", ("hat", "shirt", "shoes"), 13)
    write_photos(place / "sign-digits", [str(digit) for digit in range(3)], 6)
    write_photos(place / "chest-xray-3class", ("covid19", "no-findings", "pneumonia"), 6)
    write_photos(place / "imagenet-samples", ("things",), 12)
    for name in ("mobilenetv2_100", "regnetx_002", "mobilenetv1_100", "tf_mobilenetv3_small_100"):
        (place / "weights").mkdir(exist_ok=True)
        (place / "weights" / name).symlink_to(MINI)
    shutil.copy(place / "photos" / "Dog" / "4025.jpg", place / "photo.jpg")
    shutil.copy(place / "photos" / "Dog" / "4026.jpg", place / "dog.jpg")
    for content in pets_archives().values():
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(place / "oxford-iiit-pet", filter="data")
    Image.open(ROOT / "docs" / "pictures" / "cat.jpg").save(place / "cat.png")
    rows = [f"{file.relative_to(place)},{file.parent.name},{'ab'[int(file.stem) % 2]}" for file in place.glob("photos/*/*")]
    (place / "photos.csv").write_text("\n".join(["path,label,camera", *rows]))
    (place / "record.json").write_text(json.dumps(Preprocess(image_size=(8, 8)).to_dict()))
    (place / "token").write_text("secret")
    return place


def play_the_parts_of_others(monkeypatch: pytest.MonkeyPatch, server: FileServer) -> None:
    """Networks by name are the one in the box, the digits are the first few, and archives are small ones served here."""
    from tlcore_datasets import cats_vs_dogs, digits, oxford_pets
    from tlcore_timm import LocalOptions, factories

    def from_registry(argument: str, options: LocalOptions) -> object:
        return factories.from_directory(str(MINI), LocalOptions(image_size=options.image_size))

    few = digits.load_digits()
    fewer = Bunch(images=few.images[:DIGITS], target=few.target[:DIGITS], target_names=few.target_names)
    monkeypatch.setattr(factories, "from_registry", from_registry)
    monkeypatch.setattr(digits, "load_digits", lambda: fewer)
    server.files |= {"kagglecatsanddogs_5340.zip": cats_vs_dogs_zip(), **pets_archives()}
    for module in (cats_vs_dogs, oxford_pets):
        monkeypatch.setattr(module, "OFFICIAL", served_from(module.OFFICIAL, server.files, server.address))


class Installer:
    """Plays pip: puts plugins into a folder of its own, which this process and those it starts look into.

    Args:
        site: the folder.
        stage: where commands run, which folders to install are relative to.
    """

    def __init__(self, site: Path, stage: Path) -> None:
        self.site, self.stage = site, stage

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from tlcore_cli import installation, resolution

        self.site.mkdir()
        monkeypatch.syspath_prepend(self.site)
        monkeypatch.setenv("PYTHONPATH", str(self.site))
        monkeypatch.setattr(resolution, "run_tool", self.run)
        monkeypatch.setattr(installation.Installation, "of", classmethod(lambda cls, facts: cls("pip", facts)))

    def run(self, command: Sequence[str]) -> str:
        """Do what pip would; the last word names the plugin, or the folder it lies in."""
        name = Path(command[-1]).name.partition(">")[0].partition("=")[0]
        if "--dry-run" in command:
            item = {"metadata": {"name": name, "version": "0.1.0"}}
            return json.dumps({"pip_version": "25", "install": [item]})
        information = self.site / f"{name.replace('-', '_')}-0.1.0.dist-info"
        shutil.rmtree(information, ignore_errors=True)
        if "uninstall" not in command:
            self._install(name, self.stage / name)
        sys.path_importer_cache.pop(str(self.site), None)
        return ""

    def _install(self, name: str, folder: Path) -> None:
        described: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        [(entry_point, module)] = described["project"]["entry-points"]["tlcore"].items()
        write_distribution(self.site, name, module, "", version="0.1.0", entry_point=entry_point)
        (self.site / f"{module}.py").unlink()
        shutil.copytree(folder / module, self.site / module, dirs_exist_ok=True)
