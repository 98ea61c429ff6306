from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import write_shapes
from tlcore import Registry
from tlcore.errors import DatasetError, UnknownNameError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_bare_path_means_a_folder(shapes: Path, registry: Registry) -> None:
    data = registry.dataset(str(shapes))
    assert data == registry.dataset(f"folder:{shapes}", {}) or data.digest == registry.dataset(f"folder:{shapes}").digest
    assert data.class_names == ("bar", "circle", "square")
    assert not data.is_split
    assert data.samples[0].name == "bar/000.png"


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "validation", "TEST"), ("training", "valid", "testing")]
)
def test_split_folders_are_known_by_their_usual_names(tmp_path: Path, registry: Registry, names: tuple[str, ...]) -> None:
    for name in names:
        touch(tmp_path / name / "a" / "1.jpg", tmp_path / name / "b" / "2.jpg")
    data = registry.dataset(str(tmp_path))
    assert set(data.splits) == {"train", "validation", "test"}


def test_class_names_in_any_script_and_nested_folders(tmp_path: Path, registry: Registry) -> None:
    touch(tmp_path / "кошка" / "dir" / "deep" / "1.JPG", tmp_path / "小 狗" / "2.webp", tmp_path / "小 狗" / "notes.txt",
          tmp_path / ".hidden" / "3.jpg", tmp_path / "小 狗" / ".4.jpg")  # fmt: skip
    data = registry.dataset(str(tmp_path))
    assert data.class_names == ("кошка", "小 狗")
    assert [sample.name for sample in data.samples] == ["кошка/dir/deep/1.JPG", "小 狗/2.webp"]


def test_links_are_followed_once(tmp_path: Path, registry: Registry) -> None:
    touch(tmp_path / "a" / "1.jpg", tmp_path / "elsewhere" / "2.jpg", tmp_path / "b" / "3.jpg")
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").symlink_to(tmp_path / "a")
    (data / "b").symlink_to(tmp_path / "b")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(data)
    assert [sample.name for sample in registry.dataset(str(data)).samples] == ["a/1.jpg", "b/3.jpg"]


def test_a_class_folder_without_images_is_told(tmp_path: Path, registry: Registry) -> None:
    touch(tmp_path / "a" / "1.jpg", tmp_path / "b" / "2.jpg", tmp_path / "c" / "readme.txt")
    data = registry.dataset(str(tmp_path))
    assert data.class_names == ("a", "b")
    assert [entry.reason for entry in data.left_out] == ["c/: holds no images, so it is no class"]


def test_per_class_takes_the_first_by_name(shapes: Path, registry: Registry) -> None:
    data = registry.dataset(str(shapes), {"per_class": "2"})
    assert [sample.name for sample in data.samples if sample.label == 1] == ["circle/000.png", "circle/001.png"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, registry: Registry) -> None:
    write_shapes(tmp_path, 2)
    (tmp_path / "bar").chmod(0)
    try:
        data = registry.dataset(str(tmp_path))
        assert data.left_out[0].reason == "bar: cannot be read: Permission denied"
    finally:
        (tmp_path / "bar").chmod(0o755)


def test_what_is_no_dataset_is_told(tmp_path: Path, registry: Registry) -> None:
    touch(tmp_path / "file.jpg", tmp_path / "flat" / "1.jpg")
    with pytest.raises(DatasetError, match="there is no such folder"):
        registry.dataset("folder:nowhere")
    with pytest.raises(DatasetError, match="is a file, expected a folder"):
        registry.dataset(str(tmp_path / "file.jpg"))
    with pytest.raises(DatasetError, match="holds no class folders; put each class's images in a folder named after it"):
        registry.dataset(str(tmp_path / "flat"))
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'digit'; did you mean 'digits'\?"):
        registry.dataset("digit")


def test_a_class_only_in_the_test_split_is_told(tmp_path: Path, registry: Registry) -> None:
    touch(tmp_path / "train" / "a" / "1.jpg", tmp_path / "train" / "b" / "2.jpg", tmp_path / "test" / "z" / "3.jpg")
    with pytest.raises(DatasetError, match="class 'z' of test has no folder in"):
        registry.dataset(str(tmp_path))


def test_two_names_for_one_split_are_told(tmp_path: Path, registry: Registry) -> None:
    touch(*(tmp_path / name / "a" / "1.jpg" for name in ("train", "val", "valid")))
    with pytest.raises(DatasetError, match="both 'val' and 'valid' would be the validation split"):
        registry.dataset(str(tmp_path))


def test_digits_are_real_and_whole(registry: Registry) -> None:
    data = registry.dataset("digits")
    assert len(data.samples) == 1797
    assert data.class_names == tuple("0123456789")
    assert data.licence == "CC BY 4.0"
