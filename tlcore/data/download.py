"""Fetching a large file: resumed where it was cut, checked by SHA-256, in place whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tlcore.errors import DownloadError
from tlcore.progress import Progress, ProgressEvent, silent

_CHUNK = 1 << 20
_HTML = "text/html"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: what it is called on disk.
        urls: where it is, in order of preference; ``http`` or ``https``.
        sha256: of its content, 64 hexadecimal digits.
        size: in bytes, or None where it is not known beforehand.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int | None = None


def download_file(
    file: RemoteFile,
    directory: Path,
    *,
    progress: Progress = silent,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 60.0,
) -> Path:
    """Fetch a file into a directory and return its path; one that is already there is checked and kept.

    What was fetched before an interruption stays in ``NAME.part`` and is continued by the next call.

    Args:
        file: what to fetch.
        directory: where to; made if need be.
        progress: told how many bytes are there; an exception it raises interrupts.
        attempts: how often each address is tried without a byte coming before the next one is.
        pause: seconds before a second attempt, doubled for each further one.
        timeout: seconds without a byte after which an attempt fails.

    Raises:
        DownloadError: no address gives the file, its SHA-256 is wrong, or the disk is full. It names the address to fetch
            by hand and where to put the file.
    """
    target = directory / file.name
    if target.exists():
        _check_present(file, target)
        return target
    failures: list[str] = []
    for url in file.urls:
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"{url}: only http and https addresses can be fetched")
        fetch = _Fetch(file, url, target.with_name(f"{file.name}.part"), progress, timeout)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            fetch.run(attempts, pause)
            os.replace(fetch.part, target)
            return target
        except _Failure as failure:
            failures.append(f"{url}: {failure}")
        except OSError as error:
            raise _disk_error(error, fetch.part) from error
    raise DownloadError(
        f"{file.name} cannot be downloaded: {'; '.join(failures)}; fetch {file.urls[0]} by hand, put it at {target} and run "
        "this again"
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class _Failure(Exception):
    """One address does not give the file; the next may."""


class _Cut(Exception):
    """The connection ended early, or the server is busy; what came is kept, and trying again makes sense."""


class _Fetch:
    """One file from one address."""

    def __init__(self, file: RemoteFile, url: str, part: Path, progress: Progress, timeout: float) -> None:
        self.part = part
        self._file = file
        self._url = url
        self._progress = progress
        self._timeout = timeout

    def run(self, attempts: int, pause: float) -> None:
        """Fetch until the part is whole and its digest right; a wrong digest after a resumption gets one fresh start."""
        resumed = self._size() > 0
        if not self._is_whole():
            self._fetch_all(attempts, pause)
        self._progress(ProgressEvent(self._file.name, self._size(), self._size(), "checking its SHA-256"))
        found = file_sha256(self.part)
        if found == self._file.sha256:
            return
        self.part.unlink()
        if resumed:
            self.run(attempts, pause)
            return
        raise _Failure(f"sent a file with SHA-256 {found}, expected {self._file.sha256}")

    def _fetch_all(self, attempts: int, pause: float) -> None:
        failed = 0
        while True:
            before = self._size()
            try:
                self._fetch_once()
                return
            except _Cut as cut:
                failed = 0 if self._size() > before else failed + 1
                if failed >= attempts:
                    raise _Failure(f"{cut}, {failed} times") from cut
                self._progress(ProgressEvent(self._file.name, self._size(), self._file.size, f"{cut}; trying again"))
                time.sleep(pause * 2 ** max(0, failed - 1))

    def _fetch_once(self) -> None:
        have = self._size()
        request = urllib.request.Request(self._url, headers={"User-Agent": "tlcore", "Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                self._receive(response, have)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:
                self.part.unlink()
                raise _Cut("the server had less than was fetched before") from error
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _Cut(f"the server answered {error.code} {error.reason}") from error
            raise _Failure(f"the server answered {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise _Cut(f"no connection ({error.reason})") from error
        except (HTTPException, ConnectionError, TimeoutError) as error:
            raise _Cut(f"the connection was cut ({error or type(error).__name__})") from error

    def _receive(self, response: HTTPResponse, have: int) -> None:
        if response.headers.get_content_type() == _HTML:
            raise _Failure("sent a web page instead of the file")
        continued = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if continued else 0
        total = self._announced(response, start)
        room = shutil.disk_usage(self.part.parent).free
        if total is not None and total - start > room:
            raise OSError(errno.ENOSPC, f"needs {total - start:,} bytes, {room:,} are free")
        with self.part.open("ab" if continued else "wb") as out:
            self._progress(ProgressEvent(self._file.name, start, total))
            while chunk := response.read1(_CHUNK):
                out.write(chunk)
                if self._file.size is not None and out.tell() > self._file.size:
                    break
                self._progress(ProgressEvent(self._file.name, out.tell(), total))
            out.flush()
            os.fsync(out.fileno())
            if total is not None and out.tell() < total:
                raise _Cut(f"the connection was cut after {out.tell():,} of {total:,} bytes")
        if self._file.size is not None and self._size() > self._file.size:
            self.part.unlink()
            raise _Failure(f"sent more than the {self._file.size:,} bytes the file has")

    def _announced(self, response: HTTPResponse, start: int) -> int | None:
        """Return the whole file's size by the server's word; raises where it is not the file's."""
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        expected = self._file.size
        if total is not None and expected is not None and total != expected:
            raise _Failure(f"has {total:,} bytes there, expected {expected:,}")
        return total if total is not None else expected

    def _is_whole(self) -> bool:
        return self._file.size is not None and self._size() == self._file.size

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _check_present(file: RemoteFile, target: Path) -> None:
    found = file_sha256(target)
    if found != file.sha256:
        raise DownloadError(
            f"{target}: has SHA-256 {found}, expected {file.sha256}; it is damaged or another file; move it away and run "
            "this again"
        )


def _disk_error(error: OSError, part: Path) -> DownloadError:
    if error.errno == errno.ENOSPC:
        reason = f" ({error.strerror})" if "needs" in str(error.strerror) else ""
        return DownloadError(f"{part.parent}: the disk is full{reason}; make room and run this again, it will be continued")
    return DownloadError(f"{part}: cannot be written: {error.strerror or error}")


def choose_urls(file: RemoteFile, given: Sequence[str], *, alone: bool) -> RemoteFile:
    """Return the file with addresses that a person gave in place of its own, where some are for it.

    An address is for a file if it ends with its name; one that ends with ``/`` is a folder that has it; any is, where the
    file stands `alone`.
    """
    own = [url + file.name if url.endswith("/") else url for url in given]
    meant = tuple(url for url in own if alone or url.rpartition("/")[2].partition("?")[0] == file.name)
    return RemoteFile(name=file.name, urls=meant or file.urls, sha256=file.sha256, size=file.size)
