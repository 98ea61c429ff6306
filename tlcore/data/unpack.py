"""Unpacking an archive that came from elsewhere: only plain files, only below the target, only so much, all or nothing."""

from __future__ import annotations

import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath

from tlcore.errors import DatasetError
from tlcore.machine.atomic import new_directory
from tlcore.progress import Progress, ProgressEvent, silent

_CHUNK = 1 << 20
_TELL_EVERY = 100
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError)
"""What the archive readers raise on damage; RuntimeError and its kinds: encryption, an unknown compression."""


@dataclass(frozen=True, kw_only=True)
class UnpackLimits:
    """How much an archive may hold.

    Attributes:
        member_bytes: of one file.
        total_bytes: of all files.
        members: how many files and folders.
    """

    member_bytes: int = 1 << 30
    total_bytes: int = 64 << 30
    members: int = 2_000_000


@dataclass(frozen=True)
class _Member:
    """One file of an archive that has been found harmless, and how to open it."""

    name: str
    size: int
    open: Callable[[], BufferedIOBase]


def unpack(archives: list[Path], target: Path, *, limits: UnpackLimits | None = None, progress: Progress = silent) -> None:
    """Unpack zip or tar archives into one new directory, which appears once it is whole.

    Args:
        archives: zip files, or tar files plain or compressed.
        target: what the directory is called; an earlier one is replaced at the end.
        limits: how much they may hold.
        progress: told after every hundred files; an exception it raises cancels.

    Raises:
        DatasetError: an archive is damaged, holds a link, a device, a name that leads elsewhere, two files of one name or
            more than the limits allow, or the disk is full. Nothing is left behind.
    """
    allowed = limits or UnpackLimits()
    done, total = 0, 0
    try:
        with new_directory(target) as directory:
            for archive in archives:
                with _damage_named(archive), _members(archive) as members:
                    for member in members:
                        done, total = done + 1, total + member.size
                        _check_amount(archive, member, done, total, allowed)
                        _write(archive, member, directory)
                        if done % _TELL_EVERY == 0:
                            progress(ProgressEvent("unpacking", done))
            progress(ProgressEvent("unpacking", done, done))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DatasetError(
                f"{target.parent}: the disk is full; make room and run this again; nothing was left"
            ) from error
        raise DatasetError(f"{target}: cannot be unpacked to: {error.strerror or error}; nothing was left") from error


def safe_name(name: str) -> str | None:
    """Return an archive member's path below its root, with forward slashes; None if it leads anywhere else.

    >>> safe_name("a/./b.jpg"), safe_name("../b.jpg"), safe_name("/etc/passwd"), safe_name("C:\\\\b.jpg")
    ('a/b.jpg', None, None, None)
    """
    path = PurePosixPath(name)
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or "\0" in name or "\\" in name or ":" in parts[0]:
        return None
    return path.as_posix()


def is_zip(archive: Path) -> bool:
    """Tell whether a file is a zip archive; raises `zipfile.BadZipFile` for the beginning of one."""
    if zipfile.is_zipfile(archive):
        return True
    with archive.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise zipfile.BadZipFile("its end, where a zip archive lists what it holds, is missing")
    return False


def is_plain(member: zipfile.ZipInfo) -> bool:
    """Tell whether a member of a zip archive is a file or a folder, not a link or a device."""
    return stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)


@contextmanager
def _damage_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DatasetError(f"{archive}: the archive is damaged or cut short: {error}; fetch it again") from error


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if is_zip(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(archive, opened)
    else:
        with tarfile.open(archive) as tar:
            yield _tar_members(archive, tar)


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        if not is_plain(info):
            raise _refused(archive, info.filename, "is a link or a device")
        name = safe_name(info.filename)
        if name is None:
            raise _refused(archive, info.filename, "leads out of the archive")
        if not info.is_dir():
            yield _Member(name, info.file_size, partial(_opened_zip, opened, info))


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened:
        if not info.isfile() and not info.isdir():
            raise _refused(archive, info.name, "is a link or a device")
        name = safe_name(info.name)
        if name is None and not (info.isdir() and PurePosixPath(info.name) == PurePosixPath()):
            raise _refused(archive, info.name, "leads out of the archive")
        if name is not None and info.isfile():
            yield _Member(name, info.size, partial(_opened_tar, opened, info))
    # The checksum of a compressed tar stands behind its last member; reading on to the end checks it.
    assert opened.fileobj is not None
    while opened.fileobj.read(_CHUNK):
        pass


def _opened_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BufferedIOBase:
    file = archive.open(info)
    assert isinstance(file, BufferedIOBase)
    return file


def _opened_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> BufferedIOBase:
    file = archive.extractfile(info)
    assert isinstance(file, BufferedIOBase)  # a regular file always opens
    return file


def _refused(archive: Path, name: str, why: str) -> DatasetError:
    return DatasetError(f"{archive}: member {name!r} {why}; the archive is refused and nothing was unpacked")


def _check_amount(archive: Path, member: _Member, done: int, total: int, limits: UnpackLimits) -> None:
    if member.size > limits.member_bytes:
        raise _refused(archive, member.name, f"has {member.size:,} bytes, more than the {limits.member_bytes:,} allowed")
    if total > limits.total_bytes:
        raise DatasetError(f"{archive}: holds more than the {limits.total_bytes:,} bytes allowed; nothing was unpacked")
    if done > limits.members:
        raise DatasetError(f"{archive}: holds more than the {limits.members:,} files allowed; nothing was unpacked")


def _write(archive: Path, member: _Member, directory: Path) -> None:
    target = directory / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with member.open() as source, target.open("xb") as out:
            shutil.copyfileobj(source, out, _CHUNK)
            written = out.tell()
    except FileExistsError:
        raise _refused(archive, member.name, "is there twice") from None
    if written != member.size:
        raise DatasetError(f"{archive}: the archive is damaged or cut short at {member.name!r}; fetch it again")
