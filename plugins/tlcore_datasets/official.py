"""Datasets that are downloaded: their archives, where they lie on this computer, and how they get there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tlcore.data.download import RemoteFile, choose_urls, download_file
from tlcore.data.unpack import UnpackLimits, unpack
from tlcore.dataset import LeftOut
from tlcore.errors import DatasetError, ImageError
from tlcore.images import ImageSource, decode_image, read_image
from tlcore.machine.atomic import write_file
from tlcore.machine.paths import datasets_directory
from tlcore.specs import DownloadRequest, DownloadResult


@dataclass(frozen=True, kw_only=True)
class OfficialDataset:
    """A dataset as its makers publish it.

    Attributes:
        name: the dataset's.
        files: its archives.
        folders: which must be there once the archives are unpacked.
        limits: how much the archives may hold.
        known_damaged: images of the official archive that cannot be decoded.
        licence, citation, homepage: as the makers state them.
    """

    name: str
    files: tuple[RemoteFile, ...]
    folders: tuple[str, ...]
    limits: UnpackLimits
    known_damaged: frozenset[str]
    licence: str
    citation: str
    homepage: str

    def download(self, request: DownloadRequest) -> DownloadResult:
        """Fetch, check and unpack; what is already there is not fetched again."""
        archives = [
            download_file(
                choose_urls(file, request.urls, alone=len(self.files) == 1),
                request.directory,
                progress=request.progress,
            )
            for file in self.files
        ]
        digests = {file.name: file.sha256 for file in self.files}
        place = request.directory / "data"
        record = place / "tlcore-download.json"
        fresh = not self._is_unpacked(record, digests)
        if fresh:
            unpack(archives, place, limits=self.limits, progress=request.progress)
            absent = [folder for folder in self.folders if not (place / folder).is_dir()]
            if absent:
                raise DatasetError(f"{archives[0]}: holds no folder {absent[0]!r}; it is not the archive of {self.name}")
            write_file(record, json.dumps(digests, indent=2).encode())
        return DownloadResult(
            directory=place,
            files=digests,
            licence=self.licence,
            citation=self.citation,
            homepage=self.homepage,
            fresh=fresh,
        )

    def downloaded(self) -> Path:
        """Return where the unpacked dataset is; raises `DatasetError` that says how to get it."""
        directory = datasets_directory() / self.name
        if all((directory / "data" / folder).is_dir() for folder in self.folders):
            return directory / "data"
        urls = " and ".join(file.urls[0] for file in self.files)
        raise DatasetError(
            f"{self.name} is not on this computer: run 'tl data download {self.name}', or fetch {urls} by hand, put "
            f"{'it' if len(self.files) == 1 else 'them'} in {directory} and run the same; a copy elsewhere is used with "
            "--root DIR"
        )

    def damage(self, name: str, source: ImageSource) -> LeftOut | None:
        """Return why one of the images known to be damaged cannot be used; None for others, and where a copy mended it."""
        if name not in self.known_damaged:
            return None
        try:
            decode_image(read_image(source, name), name)
        except ImageError as error:
            return LeftOut(name, f"{error} (so it is in the official archive)")
        return None

    def _is_unpacked(self, record: Path, digests: dict[str, str]) -> bool:
        try:
            return bool(json.loads(record.read_text(encoding="utf-8")) == digests)
        except (OSError, ValueError):
            return False
