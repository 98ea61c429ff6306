"""A hub on this computer: the part of the Hugging Face Hub's API that loading one dataset of Parquet files asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_with(name: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve one public dataset repository, path to bytes; every other is unknown. Gives the hub's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def log_message(self, *arguments: object) -> None:
            pass

        def _answer(self) -> None:
            path = self.path.split("?")[0]
            api, contents = f"/api/datasets/{name}", f"/datasets/{name}/resolve/"
            if path.startswith(contents):
                self._file(path.removeprefix(contents).partition("/")[2])
            elif path.startswith(f"{api}/tree/"):
                self._json(_tree(files, path.removeprefix(f"{api}/tree/").partition("/")[2]))
            elif path.startswith(f"{api}/paths-info/"):
                self._json([_entry(path, data) for path, data in files.items()])
            elif path == api or path.startswith(f"{api}/revision/"):
                self._json({"id": name, "sha": _COMMIT, "private": False, "downloads": 0, "likes": 0, "tags": []})
            else:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

        def _file(self, path: str) -> None:
            if path in files:
                tag = hashlib.sha1(files[path]).hexdigest()
                self._send(200, files[path], {"ETag": f'"{tag}"', "X-Repo-Commit": _COMMIT})
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": _COMMIT})

        def _json(self, document: object) -> None:
            self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for header, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(header, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _tree(files: Mapping[str, bytes], folder: str) -> list[dict[str, object]]:
    """Return what lies in a folder, itself and no deeper."""
    below = f"{folder}/" if folder else ""
    inside = {path: data for path, data in files.items() if path.startswith(below)}
    folders = sorted({path.removeprefix(below).partition("/")[0] for path in inside if "/" in path.removeprefix(below)})
    here = [_entry(path, data) for path, data in inside.items() if "/" not in path.removeprefix(below)]
    return [*({"type": "directory", "path": f"{below}{name}", "oid": "0" * 40, "size": 0} for name in folders), *here]


def _entry(path: str, data: bytes) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
