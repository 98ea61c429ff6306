"""What the server answers, in this process."""

import base64
import gzip
import json
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.conftest import draw_shape
from tests.tlcore.server.hostile import noise, png_bomb
from tlcore import Classifier, Preprocess
from tlcore.errors import ModelFileError, ServerError
from tlcore.server.settings import ServerSettings, parse_models

PNG = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def photos(shapes: Path) -> list[Path]:
    return sorted(shapes.rglob("*.png"))


@pytest.fixture(scope="module")
def classifier(exported: Path) -> Classifier:
    return Classifier(exported)


def test_predicts_what_the_classifier_does(client: TestClient, classifier: Classifier, photos: list[Path]) -> None:
    for path, expected in zip(photos[:4], classifier.predict(photos[:4], top_k=2), strict=True):
        answer = client.post("/v1/predict?top_k=2", content=path.read_bytes(), headers=PNG)
        assert answer.status_code == 200
        found = [(entry["class"], entry["probability"]) for entry in answer.json()["classes"]]
        assert [name for name, _ in found] == [name for name, _ in expected.classes]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in expected.classes], atol=1e-6)
        assert answer.json()["image"] == {"width": 48, "height": 40}


@pytest.mark.parametrize("batching", ["on", "off"])
def test_batching_changes_no_answer(make_client: Callable[..., TestClient], photos: list[Path], batching: str) -> None:
    client = make_client(batching=batching)
    answers = [client.post("/v1/predict", content=path.read_bytes()).json()["classes"] for path in photos[::12]]
    assert [entry[0]["class"] for entry in answers] == ["bar", "circle", "square"]


def test_activation_map_and_its_place(client: TestClient, photos: list[Path]) -> None:
    answer = client.post("/v1/predict?activation_map=true", content=photos[0].read_bytes()).json()["activation_map"]
    assert answer["class"] == "bar"
    left, top, right, bottom = answer["region"]
    assert 0 < left < right < 1 and 0 <= top < bottom <= 1
    assert np.array(answer["values"]).ndim == 2


def test_multipart_in_memory(client: TestClient, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a file was asked for")

    for name in ("SpooledTemporaryFile", "NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    large = client.post("/v1/predict", files={"image": ("photo.png", photos[0].read_bytes() + b"\0" * 3_000_000)})
    assert large.status_code == 200
    plain = client.post("/v1/predict", content=photos[0].read_bytes()).json()
    form = client.post("/v1/predict", files={"image": ("photo.png", photos[0].read_bytes(), "image/png")})
    assert form.json() == plain
    assert client.post("/v1/predict", data={"a": "b"}, files={"x": ("", b"")}).status_code == 400
    broken = client.post(
        "/v1/predict", content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code == 400


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "told"),
    [
        ("/v1/predict", b"", {}, 400, "the image is empty"),
        ("/v1/predict", b"text", {}, 400, "not an image"),
        ("/v1/predict?top_k=0", b"x", {}, 400, "top_k must be a whole number above 0"),
        ("/v1/predict?top_k=²", b"x", {}, 400, "top_k must be"),
        ("/v1/predict?activation_map=maybe", b"x", {}, 400, "activation_map must be true or false"),
        ("/v1/predict?model=none", b"x", {}, 404, "there is no model 'none'; there is: shapes"),
        ("/v1/predict?model=shapes&version=7", b"x", {}, 404, "version '7'"),
        ("/v1/predict", noise("BMP"), {}, 415, "BMP images are not taken"),
        ("/v1/predict", png_bomb(5100), {}, 413, "pixels"),
        ("/v1/predict", b"x", {"content-encoding": "br"}, 415, "content encoding 'br' is not taken"),
        ("/v1/predict", b"xxxx", {"content-encoding": "gzip"}, 400, "the body is not gzip"),
        ("/v1/predict", gzip.compress(b"\0" * 30_000_000, mtime=0), {"content-encoding": "gzip"}, 413, "unpacks to more"),
        ("/v1/predict", gzip.compress(b"abcdef", mtime=0)[:-4], {"content-encoding": "gzip"}, 400, "cut short"),
        ("/v2/models/" + "n" * 10_000 + "/infer", b"{}", {}, 404, "there is no model 'nnn"),
        ("/v2/models/shapes/infer", b"{", {}, 400, "the request is not JSON"),
        ("/v2/models/shapes/infer", b"[" * 100_000, {}, 400, "the request is not JSON"),
        ("/v2/models/shapes/infer", b"[]", {}, 400, "the request must be a JSON object"),
        ("/v2/models/shapes/infer", b'{"inputs": []}', {}, 400, "the model takes one input, 'images'"),
        ("/v2/models/shapes/infer", b"{}", {"inference-header-content-length": "99"}, 400, "is not the length of the JSON"),
        ("/v2/models/shapes/infer", b"{}", {"inference-header-content-length": "-1"}, 400, "is not the length of the JSON"),
    ],
)  # fmt: skip
def test_refuses_in_one_line(
    client: TestClient, path: str, content: bytes, headers: dict[str, str], status: int, told: str
) -> None:
    answer = client.post(path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and told in answer.json()["error"]
    assert "\n" not in answer.json()["error"] and len(answer.json()["error"]) < 400


def _infer(client: TestClient, tensor: dict[str, Any], **more: Any) -> Any:
    return client.post("/v2/models/shapes/infer", json={"inputs": [{"name": "images", **tensor}], **more})


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        ({"datatype": "UINT8", "shape": [1, 128, 128, 3], "data": [1, 2]}, "takes 49152 numbers, got 2"),
        ({"datatype": "UINT8", "shape": [1, 128, 128, 3], "data": [300] * 49152}, "whole numbers from 0 to 255"),
        ({"datatype": "UINT8", "shape": [1, 128, 128, 3], "data": [0.5] * 49152}, "whole numbers from 0 to 255"),
        ({"datatype": "UINT8", "shape": [1, 128, 128, 3], "data": ["a"] * 49152}, "data must be numbers"),
        ({"datatype": "UINT8", "shape": [1, 64, 256, 3], "data": [0] * 49152}, "the model takes [images, 128, 128, 3]"),
        ({"datatype": "UINT8", "shape": [65, 128, 128, 3], "data": []}, "at most 64 are taken"),
        ({"datatype": "UINT8", "shape": [0, 128, 128, 3], "data": []}, "whole numbers above 0"),
        ({"datatype": "UINT8", "shape": "x", "data": []}, "a name, a datatype, a shape and data"),
        ({"datatype": "FP32", "shape": [1, 128, 128, 3], "data": [0.5] * 49152}, "whole levels from 0 to 255"),
        ({"datatype": "FP64", "shape": [1, 128, 128, 3], "data": [0] * 49152}, "datatype 'FP64' is not taken"),
        ({"datatype": "BYTES", "shape": [1], "data": ["%%%"]}, "images in base64"),
        ({"datatype": "BYTES", "shape": [2], "data": ["aGk="]}, "does not fit 1 encoded images"),
        ({"datatype": "BYTES", "shape": [1], "data": ["aGk="]}, "not an image"),
        ({"datatype": "UINT8", "shape": [1], "parameters": {"binary_data_size": 5}}, "0 bytes follow the JSON"),
    ],
)
def test_infer_refuses(client: TestClient, tensor: dict[str, Any], told: str) -> None:
    answer = _infer(client, tensor)
    assert answer.status_code == 400 and told in answer.json()["error"], answer.text


def test_infer_in_json_binary_and_encoded_agree(client: TestClient, classifier: Classifier, photos: list[Path]) -> None:
    pixels = np.stack([classifier.pixels(path) for path in photos[:2]])
    expected = classifier.run(pixels, ("logits",))["logits"]
    outputs = [{"name": "logits"}]
    shape = list(pixels.shape)
    for datatype in ("UINT8", "FP32"):
        answer = _infer(client, {"datatype": datatype, "shape": shape, "data": pixels.ravel().tolist()}, outputs=outputs)
        np.testing.assert_allclose(np.reshape(answer.json()["outputs"][0]["data"], (2, 3)), expected, rtol=1e-5)
    texts = [base64.b64encode(path.read_bytes()).decode() for path in photos[:2]]
    answer = _infer(client, {"datatype": "BYTES", "shape": [2], "data": texts}, outputs=outputs, id="seven")
    np.testing.assert_allclose(np.reshape(answer.json()["outputs"][0]["data"], (2, 3)), expected, rtol=1e-5)
    assert answer.json()["id"] == "seven"
    header = json.dumps(
        {
            "inputs": [
                {"name": "images", "datatype": "UINT8", "shape": shape, "parameters": {"binary_data_size": pixels.nbytes}}
            ],
            "outputs": [{"name": "logits", "parameters": {"binary_data": True}}, {"name": "probabilities"}],
        }
    ).encode()
    answer = client.post(
        "/v2/models/shapes/versions/1/infer",
        content=header + pixels.tobytes(),
        headers={"inference-header-content-length": str(len(header))},
    )
    length = int(answer.headers["inference-header-content-length"])
    np.testing.assert_allclose(np.frombuffer(answer.content[length:], "<f4").reshape(2, 3), expected, rtol=1e-5)
    assert len(json.loads(answer.content[:length])["outputs"][1]["data"]) == 6


def test_classification_extension(client: TestClient, photos: list[Path]) -> None:
    data = {"datatype": "BYTES", "shape": [1], "data": [base64.b64encode(photos[0].read_bytes()).decode()]}
    wanted = [{"name": "probabilities", "parameters": {"classification": 2}}]
    answer = _infer(client, data, outputs=wanted).json()["outputs"][0]
    assert answer["shape"] == [1, 2] and answer["datatype"] == "BYTES"
    assert re.fullmatch(r"[01]\.\d+:0:bar", answer["data"][0])
    wanted = [{"name": "features", "parameters": {"classification": 2}}]
    assert "classification is for probabilities and logits" in _infer(client, data, outputs=wanted).json()["error"]


def test_bytes_cut_short_are_refused(client: TestClient) -> None:
    raw = struct.pack("<I", 100) + b"short"
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor]}).encode()
    answer = client.post(
        "/v2/models/shapes/infer", content=header + raw, headers={"inference-header-content-length": str(len(header))}
    )
    assert answer.status_code == 400 and "cut short" in answer.json()["error"]


def test_what_it_tells_of_itself(client: TestClient, classifier: Classifier) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data", "classification"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    described = client.get("/v2/models/shapes").json()
    assert described["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 128, 128, 3]}]
    assert described["parameters"]["digest"] == classifier.digest
    assert client.get("/v2/models/shapes/versions/1/ready").json() == {"name": "shapes", "ready": True}
    assert client.get("/v2/models/shapes/versions/2/ready").status_code == 404
    assert client.get("/v1/models").json()[0]["labels"] == ["bar", "circle", "square"]
    assert client.get("/nowhere").json()["error"].startswith("there is nothing at this address")
    assert client.get("/v1/predict").status_code == 405


def test_counts_and_logs(client: TestClient, photos: list[Path], events: list[dict[str, Any]]) -> None:
    client.post("/v1/predict", content=photos[0].read_bytes(), headers={"x-request-id": "my-id"})
    client.post("/v1/predict", content=b"no", headers={"x-request-id": "bad id\n"[:6]})
    text = client.get("/metrics").text
    for line in (
        'tlcore_requests_total{route="predict",status="200"} 1.0',
        'tlcore_requests_total{route="predict",status="400"} 1.0',
        'tlcore_images_total{model="shapes"} 1.0',
        'tlcore_model_loads_total{model="shapes",version="1"} 1.0',
        "tlcore_batch_images_count 1.0",
    ):
        assert line in text, text
    logged = [entry for entry in events if entry["event"] == "request"]
    assert logged[0]["id"] == "my-id" and logged[0]["status"] == 200
    assert re.fullmatch(r"[0-9a-f]{32}", logged[1]["id"])


def test_names_of_clients_do_not_swell_the_counters(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/v2/models/{number}")
        client.get(f"/{number}")
    routes = {line for line in client.get("/metrics").text.splitlines() if line.startswith("tlcore_requests_total")}
    assert len(routes) == 2, routes


def test_a_token_is_needed_where_one_is_set(make_client: Callable[..., TestClient], photos: list[Path]) -> None:
    client = make_client(token="s3cret")
    assert client.post("/v1/predict", content=photos[0].read_bytes()).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/").status_code == 200


def test_a_full_queue_says_when_to_come_back(make_client: Callable[..., TestClient], photos: list[Path]) -> None:
    client = make_client()
    client.app_state["server"].engine.pending = 10_000
    answer = client.post("/v1/predict", content=photos[0].read_bytes())
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert answer.json() == {"error": "the server is busy; try again"}
    client.app_state["server"].engine.pending = 0


def test_a_deadline_passes(make_client: Callable[..., TestClient], photos: list[Path]) -> None:
    client = make_client(deadline=1e-4)
    answer = client.post("/v1/predict", content=photos[0].read_bytes())
    assert answer.status_code == 503 and "retry-after" in answer.headers


def test_draining_is_told(client: TestClient, photos: list[Path]) -> None:
    client.app_state["server"].draining = True
    assert client.get("/v2/health/ready").status_code == 503
    answer = client.post("/v1/predict", content=photos[0].read_bytes())
    assert answer.status_code == 200 and answer.headers["connection"] == "close"


def test_bodies_have_a_limit(make_client: Callable[..., TestClient]) -> None:
    client = make_client(body_bytes=1000)
    assert client.post("/v1/predict", content=b"x" * 2000).status_code == 413
    assert client.post("/v1/predict", content=(b"x" * 300 for _ in range(10))).status_code == 413


def test_long_answers_are_compressed_where_asked(client: TestClient, photos: list[Path]) -> None:
    data = {"datatype": "BYTES", "shape": [1], "data": [base64.b64encode(photos[0].read_bytes()).decode()]}
    assert _infer(client, data).headers["content-encoding"] == "gzip"


def test_an_error_of_the_server_is_told_without_its_text(
    client: TestClient, photos: list[Path], monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("secret /path")

    monkeypatch.setattr("tlcore.server.service.open_upload", fails)
    answer = client.post("/v1/predict", content=photos[0].read_bytes())
    assert answer.status_code == 500 and "secret" not in answer.text
    assert any(entry["event"] == "failed" and "secret /path" in entry["error"] for entry in events)


def test_settings_that_make_no_sense_are_told(exported: Path, tmp_path: Path) -> None:
    models = parse_models((str(exported),))
    with pytest.raises(ServerError, match="there is no model to serve"):
        ServerSettings(models=())
    with pytest.raises(ServerError, match="TLS takes both files"):
        ServerSettings(models=models, certificate=tmp_path)
    with pytest.raises(ServerError, match="queue must be above 0, got 0"):
        ServerSettings(models=models, queue=0)
    with pytest.raises(ServerError, match="'a' has a version '1' already"):
        parse_models(("a@1=x.onnx", "a@1=y.onnx"))
    with pytest.raises(ServerError, match="is no name for a model; write NAME=FILE"):
        parse_models(("a/b=x.onnx",))


def test_a_broken_model_stops_the_start(make_client: Callable[..., TestClient], tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(ModelFileError, match=r"bad\.onnx"):
        make_client(models=(str(tmp_path / "bad.onnx"),))


def test_a_drawn_shape_it_never_saw(client: TestClient) -> None:
    import io

    encoded = io.BytesIO()
    draw_shape("circle", 99).save(encoded, "PNG")
    assert client.post("/v1/predict", content=encoded.getvalue()).json()["classes"][0]["class"] == "circle"


def test_a_file_of_other_origin_with_a_record_given(make_client: Callable[..., TestClient], plain_onnx: Path) -> None:
    with pytest.raises(ModelFileError, match=r"plain\.onnx: holds no tlcore record"):
        make_client(models=(str(plain_onnx),))
    preprocess = Preprocess(image_size=(8, 8))
    client = make_client(models=(f"other={plain_onnx}",), preprocess=preprocess)
    assert client.get("/v2/models/other").json()["inputs"][0] == {
        "name": "images",
        "datatype": "FP32",
        "shape": [-1, 3, 8, 8],
    }
    classifier = Classifier(plain_onnx, preprocess=preprocess)
    pixels = classifier.pixels(noise("PNG"))[np.newaxis]
    expected = classifier.run(pixels)["probabilities"][0]
    numbers = preprocess.normalise(pixels).ravel().tolist()
    tensors = [
        {"datatype": "FP32", "shape": [1, 3, 8, 8], "data": numbers},
        {"datatype": "BYTES", "shape": [1], "data": [base64.b64encode(noise("PNG")).decode()]},
    ]
    for tensor in tensors:
        answer = client.post("/v2/models/other/infer", json={"inputs": [{"name": "images", **tensor}]})
        np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected, rtol=1e-4)
    refused = client.post("/v2/models/other/infer", json={"inputs": [{"name": "images", **tensors[0], "shape": [1, 192]}]})
    assert "takes FP32 [images, 3, 8, 8], got shape [1, 192]" in refused.json()["error"]
    top = client.post("/v1/predict", content=noise("PNG")).json()["classes"][0]
    assert top["class"] == str(int(expected.argmax()))
    answer = client.post("/v1/predict?activation_map=1", content=noise("PNG"))
    assert answer.status_code == 400 and "has no activation map" in answer.json()["error"]
