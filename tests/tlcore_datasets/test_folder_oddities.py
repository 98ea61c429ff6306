"""Folders as people have them: any script, nesting, links, read-only media, many classes, one bad file among many."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import IN_THE_BOX, draw_shape
from tests.tlcore.audit.planted import encoded
from tlcore import Registry, train
from tlcore.audit import audit_dataset

PNG = encoded(draw_shape("bar", 0), "PNG")


def put(path: Path, data: bytes = PNG) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_labels_of_any_script_train_and_come_back(tmp_path: Path, registry: Registry) -> None:
    names = ("ねこ", "собака с пробелами", "قطة", "Ünïcödé é", "emoji 🐈")
    for name in names:
        for index in range(4):
            put(tmp_path / "data" / name / f"фото {index}.png", encoded(draw_shape("circle", index + len(name)), "PNG"))
    result = train(str(tmp_path / "data"), tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert set(result.bundle.record.classes) == set(names)


def test_nested_folders_links_and_hidden_files(tmp_path: Path) -> None:
    put(tmp_path / "a" / "2024" / "may" / "1.png")
    put(tmp_path / "b" / ".hidden.png")
    put(tmp_path / "b" / "1.png", encoded(draw_shape("circle", 3), "PNG"))
    put(tmp_path / "elsewhere.png", encoded(draw_shape("square", 1), "PNG"))
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "a" / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "itself.png").symlink_to(tmp_path / "a" / "itself.png")
    report = audit_dataset(Registry().dataset(str(tmp_path)))
    assert report.counts == {"all": {"a": 4, "b": 1}}
    unreadable = report.finding("unreadable")
    assert unreadable is not None
    assert [entry.images for entry in unreadable.entries] == [("a/broken.png",), ("a/itself.png",)]


def test_read_only_media(tmp_path: Path, registry: Registry) -> None:
    root = tmp_path / "data"
    for shape in ("bar", "circle"):
        for index in range(5):
            put(root / shape / f"{index}.png", encoded(draw_shape(shape, index), "PNG"))
    for path in [*root.rglob("*"), root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        result = train(str(root), tmp_path / "bundle", IN_THE_BOX, registry=registry, cache_directory=tmp_path / "cache")
        assert sum(result.counts.values()) == 10
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755)


def test_a_thousand_classes(tmp_path: Path) -> None:
    for index in range(1000):
        put(tmp_path / f"class {index:04d}" / "1.png")
    dataset = Registry().dataset(str(tmp_path))
    assert len(dataset.class_names) == 1000


def test_one_bad_file_among_many(tmp_path: Path) -> None:
    put(tmp_path / "a" / "bad.png", b"")
    originals = [encoded(draw_shape("circle", seed, (40, 40)), "PNG") for seed in range(4)]
    for index in range(3000):
        put(tmp_path / "ab"[index % 2] / f"{index}.png", originals[index % 4])
    report = audit_dataset(Registry().dataset(str(tmp_path)))
    unreadable = report.finding("unreadable")
    assert unreadable is not None and unreadable.count == 1
    assert report.images == 3001


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_listed(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.png")
    put(tmp_path / "b" / "1.png")
    (tmp_path / "a" / "1.png").chmod(0)
    report = audit_dataset(Registry().dataset(str(tmp_path)))
    assert report.exclude["a/1.png"] == "cannot be read: Permission denied"


def test_a_folder_copied_elsewhere_splits_alike(tmp_path: Path, shapes: Path, registry: Registry) -> None:
    shutil.copytree(shapes, tmp_path / "copy")
    first = train(str(shapes), tmp_path / "one", IN_THE_BOX, registry=registry)
    second = train(str(tmp_path / "copy"), tmp_path / "two", IN_THE_BOX, registry=registry)
    assert first.bundle.split == second.bundle.split
