"""Connections that never finish asking are closed; those that ask are not."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from tlcore.server import patience


async def _app(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    import asyncio

    assert callable(send)
    if scope["type"] == "lifespan":
        return
    await asyncio.sleep(float(scope["query_string"] or b"0"))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.2)
    server = uvicorn.Server(
        uvicorn.Config(_app, http=patience.PatientProtocol, lifespan="off", log_level="critical", log_config=None)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nhost: x\r\n"], ids=["nothing", "half a header"])
def test_who_never_finishes_asking_is_let_go(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(sent)
        assert connection.recv(10) == b""


def test_who_waits_for_an_answer_is_not(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for pause in ("0", "0.7", "0"):
        connection.request("GET", f"/?{pause}")
        assert connection.getresponse().read() == b"ok"
    connection.close()
