from __future__ import annotations

import io
import os
import pickle
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import IN_THE_BOX, draw_shape
from tests.tlcore.audit.planted import encoded
from tlcore import Dataset, Registry, train
from tlcore.audit import audit_dataset
from tlcore.errors import DatasetError, ImageError

MEMBERS = {
    f"{top}/{shape}/{index}.png": encoded(draw_shape(shape, index), "PNG")
    for top in ("photos",)
    for shape in ("bar", "circle")
    for index in range(8)
}


def write(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for index, (name, content) in enumerate(members.items()):
                archive.writestr(name, content, zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED)
        return path
    with tarfile.open(path, f"w:{path.suffix.lstrip('.').replace('tar', '')}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read(path: Path, **options: object) -> Dataset:
    return Registry().dataset(f"{'zip' if path.suffix == '.zip' else 'tar'}:{path}", options)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_photos_are_read_where_they_lie(name: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / name, {**MEMBERS, "photos/.DS_Store": b"", "__MACOSX/photos/bar/._1.png": b"x", "photos/notes.txt": b""}
    )
    dataset = read(path)
    assert dataset.class_names == ("bar", "circle")
    assert {f"photos/{sample.name}": sample.image.read() for sample in dataset.samples} == MEMBERS
    assert pickle.loads(pickle.dumps(dataset.samples[3])).image.read() == dataset.samples[3].image.read()
    assert sorted(os.listdir(tmp_path)) == [name]


def test_split_folders(tmp_path: Path) -> None:
    members = {f"train/{name.partition('/')[2]}": data for name, data in MEMBERS.items()}
    members |= {"test/bar/90.png": members["train/bar/1.png"], "loose.png": b"", "other/x/1.png": b""}
    dataset = read(write(tmp_path / "a.zip", members))
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"test": 1, "train": 16}
    assert len(dataset.left_out) == 2
    members["test/square/1.png"] = b""
    with pytest.raises(DatasetError, match="class 'square' of test has no images in train"):
        read(write(tmp_path / "b.zip", members))


def test_at_most_so_many_of_each_class(tmp_path: Path) -> None:
    assert [sample.name for sample in read(write(tmp_path / "a.zip", MEMBERS), per_class=2).samples] == [
        "bar/0.png", "bar/1.png", "circle/0.png", "circle/1.png",
    ]  # fmt: skip


def test_training_from_an_archive(tmp_path: Path, registry: Registry) -> None:
    result = train(f"zip:{write(tmp_path / 'a.zip', MEMBERS)}", tmp_path / "bundle", IN_THE_BOX, registry=registry)
    assert sum(result.counts.values()) == 16


def test_a_damaged_member_is_one_unreadable_image(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", MEMBERS)
    spoiled = bytearray(path.read_bytes())
    at = spoiled.index(MEMBERS["photos/bar/2.png"][:40])
    spoiled[at + 50 : at + 60] = bytes(10)
    path.write_bytes(spoiled)
    finding = audit_dataset(read(path)).finding("unreadable")
    assert finding is not None and finding.count == 1
    assert "its checksum is wrong" in finding.entries[0].note


def test_an_archive_that_changed_under_our_feet(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", MEMBERS)
    sample = read(path).samples[5]
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(ImageError, match="is damaged, or changed since it was listed"):
        sample.image.read()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param({"../a/1.png": b""}, "leads out of the archive", id="escape"),
        pytest.param({"notes.txt": b""}, "holds no images", id="no images"),
        pytest.param({"1.png": b"", "2.png": b""}, "no images in class folders", id="no folders"),
    ],
)
def test_archives_that_hold_no_dataset(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        read(write(tmp_path / "a.zip", members))


def test_links_are_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", MEMBERS)
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        link = zipfile.ZipInfo("photos/bar/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    write(tmp_path / "a.tar", MEMBERS)
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        info = tarfile.TarInfo("photos/bar/link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    for name in ("a.zip", "a.tar"):
        dataset = read(tmp_path / name)
        assert len(dataset.samples) == len(MEMBERS)
        assert [entry.reason for entry in dataset.left_out] == [
            "photos/bar/link.png: is a link or a device; in an archive they are not followed"
        ]


def test_of_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", MEMBERS)
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("photos/bar/0.png")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    dataset = read(path)
    assert len(dataset.samples) == len(MEMBERS)
    assert dataset.samples[0].image.read() == b"new"


def test_the_beginning_of_a_zip_is_called_that(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", MEMBERS)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DatasetError, match="its end, where a zip archive lists what it holds, is missing"):
        read(path)


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=re.escape(f"{tmp_path / 'none.zip'}: there is no such file")):
        read(tmp_path / "none.zip")
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    with pytest.raises(DatasetError, match="not a zip or tar archive that can be read"):
        read(tmp_path / "a.tar.gz")


def test_an_encrypted_zip_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a/1.png": b"x", "b/1.png": b"x"})
    spoiled = bytearray(path.read_bytes())
    central = spoiled.index(b"PK\x01\x02")
    spoiled[central + 8] |= 1
    path.write_bytes(spoiled)
    with pytest.raises(DatasetError, match="is encrypted; pack it as an ordinary zip, or unpack it"):
        read(path)


def test_a_folder_called_zip_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, data in MEMBERS.items():
        file = tmp_path / "zip" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert Registry().dataset("zip/photos").class_names == ("bar", "circle")
