"""Downloads against a hub served on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from timm.models import save_for_hf

from tlcore_timm import FEATURED
from tlcore_timm.factories import _repository_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Serves files of one repository the way the hub does: HEAD for what they are, GET for their bytes."""

    files: dict[str, bytes]
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        name = self.path.rpartition("/")[2]
        known = "/resolve/" in self.path and "/none/" not in self.path and name in self.files
        self.send_response(200 if known else 404)
        if known:
            self.send_header("ETag", f'"{hashlib.sha256(self.files[name]).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(self.files[name])))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        if with_body and known:
            self.wfile.write(self.files[name])

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


@pytest.mark.parametrize("name", FEATURED)
def test_featured_weights_are_in_the_repository_their_identity_asks(name: str) -> None:
    config = timm.get_pretrained_cfg(name)
    assert config is not None
    assert _repository_of(str(config.hf_hub_id), config.architecture, config.tag) == f"timm/{name}"
    assert not config.custom_load


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, type[Hub]]]:
    torch.manual_seed(0)
    save_for_hf(timm.create_model("test_vit", num_classes=4), str(tmp_path / "made"), safe_serialization=True)
    files = {name: (tmp_path / "made" / name).read_bytes() for name in ("config.json", "model.safetensors")}
    handler = type("OneHub", (Hub,), {"files": files, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


LOAD = """
import json, sys
from tlcore import Registry, TlcoreError
try:
    info = Registry().backbone(sys.argv[1], json.loads(sys.argv[2])).info
    print(json.dumps([info.architecture, info.origin, info.weights_digest]))
except TlcoreError as error:
    print(json.dumps(str(error)))
"""


def load(endpoint: str, home: Path, name: str, options: dict[str, object] | None = None, offline: bool = False) -> object:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1" if offline else "0",
                   "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    environment = {key: value for key, value in environment.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, name, json.dumps(options or {})], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_repository_is_downloaded_once_pinned_and_then_used_offline(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    endpoint, handler = hub
    found = load(endpoint, tmp_path / "hf", "hf-hub:someone/tiny", {"revision": "v1"})
    assert isinstance(found, list)
    assert found[:2] == ["test_vit", f"someone/tiny, revision {COMMIT}"]
    assert any("/someone/tiny/resolve/v1/model.safetensors" in path for path in handler.asked)
    handler.asked.clear()
    assert load(endpoint, tmp_path / "hf", "hf-hub:someone/tiny@v1", offline=True) == found
    assert handler.asked == []
    assert load(endpoint, tmp_path / "hf", "hf-hub:someone/tiny@v2", offline=True) == (
        f"config.json of someone/tiny is not in the cache ({tmp_path / 'hf' / 'hub'}) and offline mode is on; copy the files "
        "config.json and model.safetensors to a directory and use 'local-dir:PATH', or run once with a network"
    )


def test_a_registered_model_comes_from_its_repository(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    endpoint, handler = hub
    told = load(endpoint, tmp_path / "hf", "timm/test_vit.r160_in1k")
    assert any("/timm/test_vit.r160_in1k/resolve/main/model.safetensors" in path for path in handler.asked)
    assert isinstance(told, str), "the served weights have four classes, the registered model a thousand"
    assert "timm/test_vit.r160_in1k" in told or "test_vit.r160_in1k: the network cannot be made" in told


def test_a_repository_without_safetensors_is_told(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    endpoint, handler = hub
    del handler.files["model.safetensors"]
    told = load(endpoint, tmp_path / "hf", "hf-hub:someone/pickled")
    assert told == "someone/pickled has no model.safetensors; tlcore reads timm repositories in safetensors format"


def test_no_network_is_told_at_once(tmp_path: Path) -> None:
    told = load("http://hub.invalid", tmp_path / "hf", "resnet18.a1_in1k")
    assert isinstance(told, str)
    assert told.startswith("model.safetensors of timm/resnet18.a1_in1k is not in the cache")
    assert "http://hub.invalid cannot be reached" in told
