"""A file server on 127.0.0.1 that misbehaves on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served and how.

    Attributes:
        address: ``http://127.0.0.1:PORT/``.
        files: path without the leading slash to content.
        faults: what the next requests meet, one each: ``"cut"`` after half of what was asked; an HTTP status; ``"html"``;
            ``"short length"`` and ``"long length"``; ``"no ranges"``; ``"other bytes"``; ``"redirect"``; ``"stall"``; ``"endless"``, without a length and twice as much.
        requests: (path, Range header or None) of each request that came.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str | int] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[FileServer]:
    state = FileServer()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            fault = state.faults.pop(0) if state.faults else ""
            content = state.files.get(self.path.lstrip("/").removeprefix("moved/"))
            if isinstance(fault, int) or content is None:
                self.send_error(fault if isinstance(fault, int) else 404)
                return
            if fault == "redirect":
                self.send_response(308)
                self.send_header("Location", f"/moved{self.path}")
                self.end_headers()
                return
            if fault == "html":
                content = b"<html>please log in</html>"
            if fault == "other bytes":
                content = bytes(len(content))
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault != "no ranges" else 0
            if start >= len(content) > 0 and start:
                self.send_error(416)
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", "text/html" if fault == "html" else "application/octet-stream")
            if fault == "endless":
                self.end_headers()
                self.wfile.write(body + body)
                self.close_connection = True
                return
            lie = {"short length": -7, "long length": 7}.get(str(fault), 0)
            self.send_header("Content-Length", str(len(body) + lie))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if fault == "stall":
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                released.wait(20)
            else:
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that left early

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield state
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
