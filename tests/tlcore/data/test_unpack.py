from __future__ import annotations

import errno
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tlcore.data.unpack import UnpackLimits, unpack
from tlcore.errors import DatasetError


def write_zip(path: Path, members: dict[str, bytes], *, link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link is not None:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return path


def write_tar(path: Path, members: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


WRITERS = [pytest.param(write_zip, id="zip"), pytest.param(write_tar, id="tar")]
Writer = Callable[[Path, dict[str, bytes]], Path]


@pytest.mark.parametrize("write", WRITERS)
def test_files_arrive_below_the_target(write: Writer, tmp_path: Path) -> None:
    archive = write(tmp_path / "a", {"cats/1.jpg": b"one", "./cats/ねこ/2.jpg": b"two", "top.txt": b""})
    unpack([archive], tmp_path / "out" / "data")
    found = {
        path.relative_to(tmp_path / "out/data").as_posix(): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")
    }
    assert found == {"cats/1.jpg": b"one", "cats/ねこ/2.jpg": b"two", "top.txt": b""}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "C:/evil", "a\\..\\evil"])
def test_names_that_lead_elsewhere_are_refused(write: Writer, name: str, tmp_path: Path) -> None:
    archive = write(tmp_path / "a", {"good.jpg": b"x", name: b"evil"})
    with pytest.raises(DatasetError, match="leads out of the archive; the archive is refused and nothing was unpacked"):
        unpack([archive], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    "info",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "good.jpg"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_links_and_devices_in_a_tar_are_refused(info: tarfile.TarInfo, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {"good.jpg": b"x"}, info)
    with pytest.raises(DatasetError, match="is a link or a device"):
        unpack([archive], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="member 'passwords' is a link or a device"):
        unpack([write_zip(tmp_path / "a", {}, link="passwords")], tmp_path / "out" / "data")


def test_a_member_of_a_hundred_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        huge = tarfile.TarInfo("huge.jpg")
        huge.size = 100 << 30
        archive.addfile(huge, None)  # a header that promises, and nothing behind it
    with pytest.raises(DatasetError, match=r"has 107,374,182,400 bytes, more than the 1,073,741,824 allowed"):
        unpack([tmp_path / "a.tar"], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (UnpackLimits(total_bytes=250), "holds more than the 250 bytes allowed"),
        (UnpackLimits(members=2), "holds more than the 2 files allowed"),
    ],
)
def test_too_much_in_all_is_refused(limits: UnpackLimits, message: str, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a", {f"{index}.jpg": bytes(100) for index in range(3)})
    with pytest.raises(DatasetError, match=message):
        unpack([archive], tmp_path / "out" / "data", limits=limits)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("write", WRITERS)
def test_damage_is_said_and_the_earlier_copy_stays(write: Writer, tmp_path: Path) -> None:
    target = tmp_path / "out" / "data"
    unpack([write(tmp_path / "good", {"a.jpg": b"first"})], target)
    archive = write(tmp_path / "bad", {f"{index}.jpg": os.urandom(5000) for index in range(20)})
    spoiled = bytearray(archive.read_bytes())
    spoiled[len(spoiled) // 2 : len(spoiled) // 2 + 200] = bytes(200)
    archive.write_bytes(spoiled)
    with pytest.raises(DatasetError, match="damaged"):
        unpack([archive], target)
    assert (target / "a.jpg").read_bytes() == b"first"
    assert os.listdir(tmp_path / "out") == ["data"]


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("<html>")
    with pytest.raises(DatasetError, match="the archive is damaged or cut short"):
        unpack([tmp_path / "a.zip"], tmp_path / "out" / "data")


def test_a_truncated_zip_leaves_nothing(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a", {f"{index}.jpg": os.urandom(5000) for index in range(20)})
    archive.write_bytes(archive.read_bytes()[:60_000])
    with pytest.raises(
        DatasetError, match="damaged or cut short: its end, where a zip archive lists what it holds, is missing"
    ):
        unpack([archive], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []


def test_a_truncated_tar_leaves_nothing(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a", {f"{index}.jpg": os.urandom(5000) for index in range(20)})
    archive.write_bytes(archive.read_bytes()[:60_000])
    with pytest.raises(DatasetError, match="damaged or cut short"):
        unpack([archive], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = write_zip(tmp_path / "a", {"1.jpg": b"x", "2.jpg": b"y"})
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DatasetError, match="the disk is full; make room and run this again; nothing was left"):
        unpack([archive], tmp_path / "out" / "data")
    assert os.listdir(tmp_path / "out") == []
