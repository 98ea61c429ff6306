"""What training does with copies, exclusion lists, earlier splits and folds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import IN_THE_BOX, draw_shape, write_shapes
from tlcore import Registry, TrainResult, train
from tlcore.data.exclusion import write_exclusions
from tlcore.errors import DatasetError, OptionError


def split_of(result: TrainResult) -> dict[str, str]:
    return {name: split for split, entries in result.bundle.split.items() for name, _ in entries}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes with each of the first eight circles there three times: as it is, copied, and encoded anew."""
    root = write_shapes(tmp_path_factory.mktemp("copied") / "shapes")
    for index in range(8):
        shutil.copy(root / "circle" / f"{index:03d}.png", root / "circle" / f"{index:03d}-copy.png")
        draw_shape("circle", index).save(root / "circle" / f"{index:03d}-again.webp", quality=90)
    return root


def test_copies_stay_in_one_split_and_are_told(copied: Path, registry: Registry, tmp_path: Path) -> None:
    result = train(str(copied), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    where = split_of(result)
    for index in range(8):
        name = f"circle/{index:03d}"
        assert where[f"{name}.png"] == where[f"{name}-copy.png"] == where[f"{name}-again.webp"]
    told = "\n".join(result.notes)
    assert "8 exact copies of 8 images; the split keeps copies together" in told
    assert "8 sets of images that look alike" in told


def test_without_the_audit_nothing_is_told(copied: Path, registry: Registry, tmp_path: Path) -> None:
    result = train(str(copied), tmp_path / "bundle", replace(IN_THE_BOX, audit=False), registry=registry)
    assert "cop" not in "".join(result.notes)


def test_exclusions_are_obeyed_and_recorded(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    write_exclusions(tmp_path / "out.tsv", {"bar/000.png": "blank", "circle/003.png": ""}, dataset="shapes")
    result = train(str(shapes), tmp_path / "bundle", replace(IN_THE_BOX, exclude=tmp_path / "out.tsv"), registry=registry)
    assert sum(result.counts.values()) == 34
    assert not {"bar/000.png", "circle/003.png"} & split_of(result).keys()
    assert next(entry.reason for entry in result.left_out) == "bar/000.png: excluded by out.tsv (blank)"
    record = json.loads((result.bundle.path / "tlcore.json").read_text(encoding="utf-8"))
    assert record["options"]["exclude"].endswith("out.tsv")
    assert len(record["dataset"]["left_out"]) == 2


def test_an_earlier_split_is_used_again(shapes: Path, registry: Registry, trained: TrainResult, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(shapes, grown)
    (grown / "bar" / "011.png").unlink()
    tested = next(name for name, _ in trained.bundle.split["test"])
    shutil.copy(grown / tested, grown / tested.replace(".png", "-copy.png"))
    draw_shape("bar", 50).save(grown / "bar" / "050.png")
    options = replace(IN_THE_BOX, seed=7, split_from=trained.bundle.path)
    result = train(str(grown), tmp_path / "bundle", options, registry=registry)
    where = split_of(result)
    kept = {name: split for name, split in split_of(trained).items() if name in where}
    assert len(kept) == 35
    assert {name: where[name] for name in kept} == kept
    assert where["bar/050.png"] == "train"
    assert where[tested.replace(".png", "-copy.png")] == "test"
    assert "2 images are not in the bundle's split; they went to train, or beside their copies" in result.notes
    assert "1 images of the bundle's split are no longer there" in result.notes


def test_a_split_of_other_data_is_refused(registry: Registry, trained: TrainResult, tmp_path: Path) -> None:
    other = write_shapes(tmp_path / "other", per_class=4, shapes=("circle", "bar"))
    for path in other.rglob("*.png"):
        path.rename(path.with_name(f"x{path.name}"))
    options = replace(IN_THE_BOX, backbone="no-such-backbone", split_from=trained.bundle.path)  # which is never asked for
    with pytest.raises(DatasetError, match=r"has none of the .* training images of the bundle to split from"):
        train(str(other), tmp_path / "bundle", options, registry=registry)
    assert not (tmp_path / "bundle").exists()


def test_folds_measure_every_image_and_learn_from_all(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    result = train(str(shapes), tmp_path / "bundle", replace(IN_THE_BOX, folds=3), registry=registry)
    measured = result.metrics["cross-validation"]
    assert measured.top1.total == 36
    assert measured.top1.value > 0.7
    assert result.counts["test"] == 0
    assert sum(result.counts.values()) == 36
    assert "no test images" not in "".join(result.notes)
    assert "| cross-validation | 36 |" in (result.bundle.path / "README.md").read_text(encoding="utf-8")


def test_folds_find_nothing_in_noise(shapes: Path, registry: Registry, tmp_path: Path) -> None:
    """The checker on a wrong object: with labels that mean nothing, cross-validation must not show skill."""
    noise = tmp_path / "noise"
    for index, path in enumerate(sorted(shapes.rglob("*.png"))):
        folder = noise / str((index * 7919 % 36) % 2)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{index}.png")
    result = train(str(noise), tmp_path / "bundle", replace(IN_THE_BOX, folds=6), registry=registry)
    assert result.metrics["cross-validation"].top1.low < 0.5


def test_folds_and_an_earlier_split_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="give either folds or a bundle"):
        replace(IN_THE_BOX, folds=3, split_from=Path("bundle"))


def test_folds_say_which_classes_cannot_be_learned(registry: Registry, tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", per_class=5)
    (root / "lonely").mkdir()
    draw_shape("bar", 90).save(root / "lonely" / "1.png")
    result = train(str(root), tmp_path / "bundle", replace(IN_THE_BOX, folds=2), registry=registry)
    assert "one image only of lonely: the fold that tests it has not learned it" in result.notes
