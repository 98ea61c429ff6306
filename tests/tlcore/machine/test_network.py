from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tlcore.machine.network import can_connect


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_listens(port: int) -> None:
    assert can_connect(f"http://127.0.0.1:{port}/some/path")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "https://nowhere.invalid"], ids=["nobody", "no such name"])
def test_what_is_out_of_reach(address: str) -> None:
    assert not can_connect(address)


def test_a_name_that_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*arguments: object, **settings: object) -> list[object]:
        released.wait(20)
        raise socket.gaierror("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    assert not can_connect("http://anywhere", patience=0.1)
    assert time.monotonic() - started < 5
    released.set()


def test_a_proxy_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert can_connect("https://nowhere.invalid")
