"""A server to ask: in this process for the small questions, in one of its own for signals, clients and storms."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.testclient import TestClient

from tlcore.server.app import Server, make_server
from tlcore.server.settings import ServerSettings, parse_models


class Running:
    """A served model in a process of its own."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "tlcore_cli", "serve", *arguments, "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = str(self.wait_for("serving")["url"]).rstrip("/")
        self.port = int(self.url.rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line) if line.startswith("{") else {"event": "text", "text": line})

    def wait_for(self, event: str, seconds: float = 40, count: int = 1) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [entry for entry in list(self.events) if entry["event"] == event]
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError(f"no event {event!r}: {self.events[-5:]}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(40)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="session")
def running(exported: Path) -> Iterator[Running]:
    """The shapes model, served as ``shapes``; shared between tests."""
    server = Running(f"shapes={exported}")
    yield server
    server.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Start servers that are stopped after the test."""
    started: list[Running] = []

    def start(*arguments: str, **options: Any) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def make_client(exported: Path, events: list[dict[str, Any]]) -> Iterator[Callable[..., TestClient]]:
    """Make clients of servers in this process, with other settings where asked for."""
    opened: list[TestClient] = []

    def make(**settings: Any) -> TestClient:
        models = settings.pop("models", (f"shapes={exported}",))
        chosen = ServerSettings(models=parse_models(models), batching=settings.pop("batching", "off"), **settings)
        server: Server = make_server(chosen, lambda event, **fields: events.append({"event": event, **fields}))
        client = TestClient(server.app, raise_server_exceptions=False)
        client.app_state["server"] = server
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client()
