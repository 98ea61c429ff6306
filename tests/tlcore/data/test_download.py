from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tlcore.data.file_server import FileServer, serve
from tlcore.data.download import RemoteFile, choose_urls, download_file
from tlcore.errors import DownloadError
from tlcore.progress import ProgressEvent

CONTENT = np.random.default_rng(1).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve() as state:
        state.files["photos.zip"] = CONTENT
        yield state


def remote(server: FileServer, *, size: int | None = len(CONTENT), sha256: str = SHA256, mirrors: int = 1) -> RemoteFile:
    urls = tuple(f"{server.address}photos.zip?{index}" for index in range(mirrors))
    server.files |= {f"photos.zip?{index}": server.files["photos.zip"] for index in range(mirrors)}
    return RemoteFile(name="photos.zip", urls=urls, sha256=sha256, size=size)


def fetch(file: RemoteFile, directory: Path, **settings: object) -> Path:
    return download_file(file, directory, attempts=3, pause=0.0, timeout=1.0, **settings)  # type: ignore[arg-type]


def left(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.exists() else []


def test_a_file_arrives_whole_with_progress(server: FileServer, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    assert fetch(remote(server), tmp_path / "new", progress=events.append).read_bytes() == CONTENT
    assert left(tmp_path / "new") == ["photos.zip"]
    assert (events[0].done, events[-1].done, events[-1].total) == (0, len(CONTENT), len(CONTENT))


def test_what_is_there_is_checked_and_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(CONTENT)
    fetch(remote(server), tmp_path)
    assert server.requests == []


def test_a_wrong_file_that_is_there_is_named_and_kept(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"half a file fetched by hand")
    with pytest.raises(
        DownloadError, match=f"photos.zip: has SHA-256 [0-9a-f]*, expected {SHA256}; it is damaged or another"
    ):
        fetch(remote(server), tmp_path)
    assert (tmp_path / "photos.zip").read_bytes() == b"half a file fetched by hand"


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_cut_connection_is_resumed_where_it_was(server: FileServer, tmp_path: Path, size: int | None) -> None:
    server.faults = ["cut", "cut", "cut"]
    assert fetch(remote(server, size=size), tmp_path).read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in server.requests if wanted]
    assert starts == [1_500_000, 2_250_000, 2_625_000]


def test_an_interrupted_download_goes_on_in_the_next_run(server: FileServer, tmp_path: Path) -> None:
    def stop(event: ProgressEvent) -> None:
        if event.done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote(server), tmp_path, progress=stop)
    assert left(tmp_path) == ["photos.zip.part"]
    have = (tmp_path / "photos.zip.part").stat().st_size
    assert 1_000_000 < have < len(CONTENT)
    fetch(remote(server), tmp_path)
    assert server.requests[-1][1] == f"bytes={have}-"
    assert left(tmp_path) == ["photos.zip"]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([503], id="busy once"),
        pytest.param(["redirect"], id="redirected"),
        pytest.param(["cut", "no ranges"], id="a server that cannot resume"),
        pytest.param(["cut", 500, 502], id="errors in between"),
        pytest.param(["stall"], id="a server that stalls"),
    ],
)
def test_troubles_that_pass(server: FileServer, tmp_path: Path, faults: list[str | int]) -> None:
    server.faults = faults
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        pytest.param([404], "the server answered 404 Not Found", id="not there"),
        pytest.param([403], "the server answered 403 Forbidden", id="forbidden"),
        pytest.param([500] * 3, "the server answered 500 Internal Server Error, 3 times", id="broken"),
        pytest.param(["html"], "sent a web page instead of the file", id="a web page"),
        pytest.param(["short length"], "has 2,999,993 bytes there, expected 3,000,000", id="too short"),
        pytest.param(["long length"], "has 3,000,007 bytes there, expected 3,000,000", id="too long"),
        pytest.param(["other bytes"], f"sent a file with SHA-256 [0-9a-f]*, expected {SHA256}", id="wrong content"),
    ],
)
def test_troubles_that_stay(server: FileServer, tmp_path: Path, faults: list[str | int], reason: str) -> None:
    server.faults = faults
    place = re.escape(str(tmp_path / "photos.zip"))
    with pytest.raises(
        DownloadError, match=f"photos.zip cannot be downloaded: .*{reason}; fetch http.* by hand, put it at {place}"
    ):
        fetch(remote(server), tmp_path)
    assert not (tmp_path / "photos.zip").exists()


def test_more_bytes_than_the_file_has_are_not_kept(server: FileServer, tmp_path: Path) -> None:
    server.faults = ["endless"]
    with pytest.raises(DownloadError, match="sent more than the 3,000,000 bytes the file has"):
        fetch(remote(server), tmp_path)
    assert left(tmp_path) == []


def test_waiting_for_another_attempt_is_told(server: FileServer, tmp_path: Path) -> None:
    server.faults = [503]
    events: list[ProgressEvent] = []
    fetch(remote(server), tmp_path, progress=events.append)
    assert events[0].detail == "the server answered 503 Service Unavailable; trying again"


def test_a_length_that_lies_is_noticed_without_a_known_size(server: FileServer, tmp_path: Path) -> None:
    server.faults = ["long length"] * 10
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        fetch(remote(server, size=None, sha256="0" * 64), tmp_path)
    assert not (tmp_path / "photos.zip").exists()


def test_the_next_mirror_is_tried(server: FileServer, tmp_path: Path) -> None:
    server.faults = [404, "html"]
    assert fetch(remote(server, mirrors=3), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/photos.zip?0", "/photos.zip?1", "/photos.zip?2"]


def test_a_part_of_another_file_gets_one_fresh_start(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "photos.zip.part").write_bytes(b"x" * 1000)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_nobody_answers(tmp_path: Path) -> None:
    file = RemoteFile(name="photos.zip", urls=("http://127.0.0.1:9/photos.zip",), sha256=SHA256)
    with pytest.raises(DownloadError, match=r"no connection \(.*\), 3 times; fetch http://127.0.0.1:9/photos.zip by hand"):
        fetch(file, tmp_path)


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only http and https addresses"):
        fetch(RemoteFile(name="x", urls=("file:///etc/passwd",), sha256=SHA256), tmp_path)


def test_a_full_disk_is_said_before_it_is_full(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        DownloadError, match=r"the disk is full .needs 3,000,000 bytes, 1,000 are free.; make room and run this"
    ):
        fetch(remote(server), tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux")
def test_a_disk_that_fills_up_is_said(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "photos.zip.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="the disk is full"):
        fetch(remote(server), tmp_path)


def test_addresses_given_by_a_person_find_their_file() -> None:
    file = RemoteFile(name="images.tar.gz", urls=("https://official/images.tar.gz",), sha256=SHA256)
    given = ["http://mirror/", "http://other/annotations.tar.gz", "http://third/images.tar.gz?x=1"]
    assert choose_urls(file, given, alone=False).urls == ("http://mirror/images.tar.gz", "http://third/images.tar.gz?x=1")
    assert choose_urls(file, given[1:2], alone=False).urls == file.urls
    assert choose_urls(file, ["http://any/download?id=7"], alone=True).urls == ("http://any/download?id=7",)
