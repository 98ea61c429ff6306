"""The server as a process: signals, reloads, real clients, a storm."""

import asyncio
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.soak import other_model, start, storm
from tests.tlcore.server.conftest import Running
from tlcore import Classifier
from tlcore.server.run import listen
from tlcore.server.settings import ModelPlace, ServerSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def _post(url: str, data: bytes, **options: Any) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30, **options) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def photos(shapes: Path) -> list[Path]:
    return sorted(shapes.rglob("*.png"))


def test_serves_without_torch(running: Running, photos: list[Path]) -> None:
    status, answer = _post(f"{running.url}/v1/predict", photos[0].read_bytes())
    assert status == 200 and answer["classes"][0]["class"] == "bar"
    if sys.platform == "linux":
        maps = Path(f"/proc/{running.process.pid}/maps").read_text()
        assert "onnxruntime" in maps and "libtorch" not in maps
    assert running.url.startswith("http://127.0.0.1:")


def test_small_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY each answer waits for the client's delayed acknowledgement, 40 ms."""

    async def accepted_option() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        model = ModelPlace(name="a", version="1", path=Path("a.onnx"))
        listener = listen(ServerSettings(models=(model,), port=0))
        async with await asyncio.start_server(met, sock=listener):
            _reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await found

    assert asyncio.run(accepted_option()) != 0


def test_one_client_may_have_so_many_requests_under_way(
    serve: Callable[..., Running], exported: Path, photos: list[Path]
) -> None:
    server = serve(str(exported), "--per-client", "1", "--batching", "off")
    photo = photos[0].read_bytes()
    assert _post(f"{server.url}/v1/predict", photo)[0] == 200
    slow = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    slow.putrequest("POST", "/v1/predict")
    slow.putheader("Content-Length", str(len(photo)))
    slow.endheaders(photo[:10])
    _until(lambda: _post(f"{server.url}/v1/predict", photo)[0] == 429)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/v1/models", timeout=30)
    with refused.value as answer:
        assert answer.headers["retry-after"] == "1"
        assert "has 1 requests under way already" in json.loads(answer.read())["error"]
    slow.send(photo[10:])
    assert slow.getresponse().status == 200
    slow.close()
    assert _post(f"{server.url}/v1/predict", photo)[0] == 200


def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_changed_file_is_taken_up_and_a_broken_one_is_not(
    serve: Callable[..., Running], exported: Path, photos: list[Path], tmp_path: Path
) -> None:
    served = tmp_path / "m.onnx"
    shutil.copy(exported, served)
    server = serve(str(served), "--batching", "off")
    circle = next(path for path in photos if path.parent.name == "circle").read_bytes()
    url = f"{server.url}/v1/predict"
    assert _post(url, circle)[1]["classes"][0]["class"] == "circle"
    served.write_bytes(exported.read_bytes()[:9000])
    server.process.send_signal(signal.SIGHUP)
    kept = server.wait_for("model_kept")
    assert "m.onnx" in kept["reason"] and "cut short" in kept["reason"]
    assert _post(url, circle)[1]["classes"][0]["class"] == "circle"
    os.replace(other_model(exported, tmp_path / "other.onnx"), served)
    loaded = server.wait_for("model_loaded", count=2)
    assert loaded["digest"] == Classifier(served).digest
    assert _post(url, circle)[1]["classes"][0]["class"] == "bar"


def test_sigterm_loses_no_request(serve: Callable[..., Running], exported: Path, photos: list[Path]) -> None:
    """Clients ask without pause over connections that stay open, and go elsewhere when an answer says it closes."""
    server = serve(str(exported), "--drain", "0.5", "--batching", "off")
    statuses: list[object] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            for _ in range(100_000):
                connection.request("POST", "/v1/predict", photos[0].read_bytes())
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                if answer.getheader("connection") == "close":
                    statuses.append("told to go")
                    return
        except (OSError, http.client.HTTPException) as error:
            statuses.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("draining")
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        urllib.request.urlopen(f"{server.url}/v2/health/ready", timeout=10)
    refused.value.close()
    for thread in threads:
        thread.join(30)
    assert server.process.wait(30) == 0
    server.wait_for("stopped")
    assert set(statuses) == {200, "told to go"} and len(statuses) > 20
    assert statuses.count("told to go") == 4


def test_tls_and_token(serve: Callable[..., Running], exported: Path, photos: list[Path], tmp_path: Path) -> None:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, capture_output=True,
    ) if shutil.which("openssl") else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("openssl is not there to make a certificate")
    (tmp_path / "token").write_text("s3cret\n")
    server = serve(
        str(exported), "--certificate", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"),
        "--token-file", str(tmp_path / "token"), "--batching", "off",
    )  # fmt: skip
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    assert server.url.startswith("https://")
    assert _post(f"{server.url}/v1/predict", photos[0].read_bytes(), context=trusting)[0] == 401
    request = urllib.request.Request(f"{server.url}/v1/predict", photos[0].read_bytes(), {"Authorization": "Bearer s3cret"})
    with urllib.request.urlopen(request, context=trusting) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("arguments", [("none.onnx",), ("--port", "PORT", "MODEL")], ids=["no file", "port taken"])
def test_what_cannot_start_is_one_line(
    run_tl: Callable[..., Any], exported: Path, running: Running, arguments: tuple[str, ...]
) -> None:
    named = [{"PORT": str(running.port), "MODEL": str(exported)}.get(word, word) for word in arguments]
    ran = run_tl("serve", *named)
    assert ran.returncode == 2 and len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert "there is no such file" in ran.stderr or "cannot listen at 127.0.0.1" in ran.stderr


def test_tritonclient_unmodified(running: Running, exported: Path, photos: list[Path]) -> None:
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(running.url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("shapes") and client.is_model_ready("shapes", "1") and not client.is_model_ready("none")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    described = client.get_model_metadata("shapes", "1")
    assert described["inputs"][0]["datatype"] == "UINT8"
    classifier = Classifier(exported)
    pixels = np.stack([classifier.pixels(path) for path in photos[:3]])
    expected = classifier.run(pixels, ("probabilities",))["probabilities"]
    for binary in (True, False):
        for compression in (None, "gzip", "deflate"):
            tensor = triton.InferInput("images", list(pixels.shape), "UINT8")
            tensor.set_data_from_numpy(pixels, binary_data=binary)
            wanted = [
                triton.InferRequestedOutput("probabilities", binary_data=binary),
                triton.InferRequestedOutput("logits", binary_data=binary, class_count=2),
            ]
            answer = client.infer(
                "shapes", [tensor], outputs=wanted, request_id="7",
                request_compression_algorithm=compression, response_compression_algorithm=compression,
            )  # fmt: skip
            np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, atol=1e-6)
            likeliest = answer.as_numpy("logits")[0][0]
            assert (likeliest.decode() if isinstance(likeliest, bytes) else likeliest).endswith(":0:bar")
            assert answer.get_response()["id"] == "7"
    encoded = np.array([path.read_bytes() for path in photos[:3]], np.object_)
    tensor = triton.InferInput("images", [3], "BYTES")
    tensor.set_data_from_numpy(encoded, binary_data=True)
    answer = client.infer("shapes", [tensor])
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, atol=1e-6)
    with pytest.raises(triton.InferenceServerException, match="there is no model 'none'"):
        client.infer("none", [tensor])
    client.close()


_KSERVE = """
import asyncio, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

async def ask(url):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, "shapes")
    pixels = np.full((2, 128, 128, 3), 7, np.uint8)
    for binary in (False, True):
        tensor = InferInput("images", list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels, binary_data=binary)
        answer = await client.infer(url, InferRequest(model_name="shapes", infer_inputs=[tensor]), model_name="shapes")
        found = {output.name: output.as_numpy() for output in answer.outputs}
        assert found["probabilities"].shape == (2, 3), found
    print("served")

asyncio.run(ask(sys.argv[1]))
"""


def test_kserve_client_unmodified(running: Running) -> None:
    python = os.environ.get("TLCORE_KSERVE_PYTHON")
    if not python:
        pytest.skip("TLCORE_KSERVE_PYTHON names no Python with kserve installed")
    ran = subprocess.run([python, "-W", "ignore", "-c", _KSERVE, running.url], capture_output=True, text=True, timeout=120)
    assert "served" in ran.stdout, ran.stderr[-2000:]


def test_schemathesis_finds_no_server_error(running: Running) -> None:
    program = os.environ.get("TLCORE_SCHEMATHESIS") or shutil.which("schemathesis")
    if not program:
        pytest.skip("schemathesis is not installed (TLCORE_SCHEMATHESIS may name it)")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    ran = subprocess.run(
        [program, "run", f"{running.url}/openapi.json", "--checks", checks, "--max-examples", "15", "--seed", "1",
         "--phases", "examples,coverage,fuzzing"],
        capture_output=True, text=True, timeout=200, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-500:]


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_short_storm(exported: Path, shapes: Path, tmp_path: Path) -> None:
    """The long one is tests/benchmarks/soak.py."""
    photos = [path.read_bytes() for path in sorted(shapes.rglob("*.png"))[::4]]
    served = tmp_path / "served.onnx"
    shutil.copy(exported, served)
    models = (exported, other_model(exported, tmp_path / "other.onnx"))
    process, port = start(served)
    try:
        found = storm(port, served, models, photos, process, requests=1200, connections=16, swaps=2)
    finally:
        process.kill()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()
    assert found.wrong == {}, found
    assert found.good["ok"] > 700 and sum(found.hostile.values()) > 50
    assert found.exit_code == 0


def test_the_storm_notices_wrong_answers(
    exported: Path, shapes: Path, tmp_path: Path, serve: Callable[..., Running]
) -> None:
    from tests.benchmarks.soak import Storm, _answers, _work

    photos = [path.read_bytes() for path in sorted(shapes.rglob("*.png"))[::9]]
    other = other_model(exported, tmp_path / "other.onnx")
    server = serve(str(other), "--batching", "off")
    found = Storm()
    _work(server.port, [_answers(exported, photos)], photos, 5, 0, found, 0.0)
    assert found.wrong.get("wrong answer", 0) > 0
