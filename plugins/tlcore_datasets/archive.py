"""Images inside zip and tar archives, read where they lie."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from tlcore.data.download import file_sha256
from tlcore.data.unpack import is_plain, is_zip, safe_name
from tlcore.dataset import Dataset, LeftOut
from tlcore.errors import DatasetError, ImageError
from tlcore.images import IMAGE_SUFFIXES, ImageSource
from tlcore.machine.atomic import new_directory
from tlcore.machine.paths import datasets_directory
from tlcore.packed_strings import PackedStrings
from tlcore_datasets import ArchiveOptions
from tlcore_datasets.layout import dataset_from_names

MAX_IMAGE_BYTES = 512 << 20
"""A member that says it is larger is not read."""

MAX_TAR_BYTES = 256 << 30
"""A compressed tar that holds more is not decompressed."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file inside a zip archive; the numbers are those of the archive's directory.

    Attributes:
        archive: the zip file.
        name: the member's.
        offset: of its local header.
        stored: its size in the archive.
        size, checksum: of its content, CRC-32.
        method: 0 for stored, 8 for deflated.
    """

    archive: Path
    name: str
    offset: int
    stored: int
    size: int
    checksum: int
    method: int

    def read(self) -> bytes:
        """Return the member's content; raises `ImageError` where it is damaged."""
        if max(self.size, self.stored) > MAX_IMAGE_BYTES:
            raise ImageError(f"{self.name}: has {self.size:,} bytes, more than the {MAX_IMAGE_BYTES:,} allowed")
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            header = file.read(30)
            if len(header) != 30 or not header.startswith(b"PK\x03\x04"):
                raise ImageError(f"{self.name}: {self.archive} is damaged, or changed since it was listed")
            _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            file.seek(name_length + extra_length, 1)
            content = file.read(self.stored)
        if self.method == zipfile.ZIP_DEFLATED:
            try:
                content = zlib.decompressobj(-15).decompress(content, self.size + 1)
            except zlib.error as error:
                raise ImageError(f"{self.name}: damaged in {self.archive}: {error}") from error
        if len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise ImageError(f"{self.name}: damaged in {self.archive}: its checksum is wrong")
        return content


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file inside an uncompressed tar archive.

    Attributes:
        archive: the tar file.
        name: the member's.
        offset, size: where its content lies, in bytes.
    """

    archive: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the member's content; raises `ImageError` where the archive is cut short."""
        if self.size > MAX_IMAGE_BYTES:
            raise ImageError(f"{self.name}: has {self.size:,} bytes, more than the {MAX_IMAGE_BYTES:,} allowed")
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) != self.size:
            raise ImageError(f"{self.name}: {self.archive} is cut short")
        return content


def read_archive(argument: str | None, options: ArchiveOptions) -> Dataset:
    """Read an archive that holds class folders, or split folders with class folders in each, without unpacking it.

    A compressed tar, which cannot be read from the middle, is decompressed once into the cache.

    Raises:
        DatasetError: not an archive, damaged, or without images in class folders.
    """
    if not argument:
        raise DatasetError("zip and tar need a path, for instance 'zip:photos.zip'")
    path = Path(argument).expanduser()
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file")
    listing = list_archive(path)
    dataset = dataset_from_names(str(argument), listing.names, listing, per_class=options.per_class)
    return replace(dataset, left_out=(*listing.links, *dataset.left_out)) if listing.links else dataset


@dataclass(frozen=True)
class ArchiveListing:
    """The images of an archive, by their place in it.

    Attributes:
        archive: the file, a plain tar or a zip.
        member: the kind of its members.
        names: theirs.
        numbers: what a member needs to be read.
        links: members with an image's name that are no files, and so are left out.
    """

    archive: Path
    member: type[ZipMember] | type[TarMember]
    names: PackedStrings = field(default_factory=PackedStrings, repr=False)
    numbers: array[int] = field(default_factory=lambda: array("Q"), repr=False)
    links: list[LeftOut] = field(default_factory=list)

    def add(self, name: str, numbers: tuple[int, ...]) -> None:
        """Add an image; one without numbers is no file."""
        if not numbers:
            self.links.append(LeftOut(name, f"{name}: is a link or a device; in an archive they are not followed"))
            return
        self.names.append(name)
        self.numbers.extend(numbers)

    def source(self, row: int, name: str) -> ImageSource:
        """Return the member at a place."""
        width = len(self.numbers) // len(self.names)
        return self.member(self.archive, self.names[row], *self.numbers[row * width : (row + 1) * width])


def list_archive(path: Path) -> ArchiveListing:
    """Return the images of an archive.

    Raises:
        DatasetError: not an archive, damaged, or one that cannot be read without unpacking it.
    """
    try:
        return _list_zip(path) if is_zip(path) else _list_tar(path)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, lzma.LZMAError, OSError) as error:
        raise DatasetError(f"{path}: not a zip or tar archive that can be read: {error}") from error


def _list_zip(path: Path) -> ArchiveListing:
    listing = ArchiveListing(path, ZipMember)
    with zipfile.ZipFile(path) as opened:
        for info in opened.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                how = "encrypted" if info.flag_bits & _ENCRYPTED else f"compressed by method {info.compress_type}"
                raise DatasetError(f"{path}: member {info.filename!r} is {how}; pack it as an ordinary zip, or unpack it")
            name = _image_name(path, info.filename)
            place = (info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type)
            if name is not None:
                listing.add(name, place if is_plain(info) else ())
    return listing


def _list_tar(path: Path) -> ArchiveListing:
    listing = ArchiveListing(_decompressed(path), TarMember)
    with tarfile.open(listing.archive, "r:") as opened:
        while (info := opened.next()) is not None:
            name = None if info.isdir() else _image_name(path, info.name)
            if name is not None:
                listing.add(name, (info.offset_data, info.size) if info.isfile() and not info.issparse() else ())
            opened.members.clear()  # type: ignore[attr-defined]  # the reader's own record of them, some thousand bytes each
    return listing


def _image_name(path: Path, member: str) -> str | None:
    """Return the name of a member that is an image by its ending and not hidden, else None."""
    name = safe_name(member)
    if name is None:
        raise DatasetError(f"{path}: member {member!r} leads out of the archive; the archive is refused")
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    return name if not hidden and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES else None


def _decompressed(path: Path) -> Path:
    """Return a plain tar file: the path itself, or its content decompressed into the cache."""
    with path.open("rb") as file:
        start = file.read(6)
    if not start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
        return path
    place = datasets_directory() / "tar" / file_sha256(path)
    plain = place / "content.tar"
    if plain.is_file():
        return plain
    try:
        with new_directory(place) as directory, (directory / "content.tar").open("wb") as out:
            for chunk in _chunks(path, start):
                out.write(chunk)
                if out.tell() > MAX_TAR_BYTES:
                    raise DatasetError(f"{path}: holds more than the {MAX_TAR_BYTES:,} bytes allowed")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DatasetError(f"{place.parent}: the disk is full; {path} cannot be decompressed; make room") from error
        raise
    return plain


def _chunks(path: Path, start: bytes) -> Iterator[bytes]:
    module = gzip if start.startswith(b"\x1f\x8b") else bz2 if start.startswith(b"BZh") else lzma
    with cast(IO[bytes], module.open(path, "rb")) as source:
        while chunk := source.read(1 << 20):
            yield chunk
