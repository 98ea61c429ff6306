"""The Open Inference Protocol v2 between bytes and arrays: JSON, the binary tensor extension, classification.

Source: the protocol's specification (kserve/open-inference-protocol) and the extensions that Triton documents.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tlcore.exported.onnx_file import INPUT
from tlcore.server.models import ServedModel
from tlcore.server.refusal import Refusal

HEADER_LENGTH = "inference-header-content-length"
EXTENSIONS = ("binary_tensor_data", "classification")

_DTYPES: dict[Any, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
_MOST_ELEMENTS = 1 << 28


@dataclass(frozen=True)
class Tensor:
    """What a request sends: encoded images, or numbers.

    Attributes:
        name: of the input.
        encoded: one image's bytes each, where the datatype is BYTES.
        array: the numbers otherwise.
    """

    name: str
    encoded: tuple[bytes, ...] = field(default=(), repr=False)
    array: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class WantedOutput:
    """One output a request asks for.

    Attributes:
        name: of the output.
        binary: as bytes after the JSON, or in it.
        classes: how many likeliest classes to return in place of the numbers; 0 for the numbers.
    """

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True)
class InferRequest:
    """A request for inference.

    Attributes:
        id: that the answer repeats; empty for none.
        tensor: its one input.
        outputs: what to return, in order.
    """

    id: str
    tensor: Tensor
    outputs: tuple[WantedOutput, ...]


def model_metadata(model: ServedModel, versions: Sequence[str]) -> dict[str, Any]:
    """Return what the protocol tells of a model."""
    classifier = model.classifier
    height, width = classifier.preprocess.image_size
    entry = {"name": INPUT, "datatype": "UINT8", "shape": [-1, height, width, 3]}
    if classifier.record is None:
        entry = {"name": INPUT, "datatype": "FP32", "shape": [-1, 3, height, width]}
    shapes = {output.name: [-1, *output.shape[1:]] for output in classifier.graph.outputs}
    return {
        "name": model.name,
        "versions": list(versions),
        "platform": "onnxruntime_onnx",
        "inputs": [entry],
        "outputs": [
            {"name": name, "datatype": "FP32", "shape": shapes.get(name, [-1, len(classifier.labels)])}
            for name in classifier.outputs
        ],
        "parameters": {"digest": classifier.digest, "labels": list(classifier.labels)},
    }


def parse_request(body: bytes, header_length: str | None, known_outputs: Sequence[str], most_images: int) -> InferRequest:
    """Read a request for inference.

    Args:
        body: JSON, followed by binary tensors where there are any.
        header_length: the header that says how long the JSON is, or None.
        known_outputs: of the model.
        most_images: per request.

    Raises:
        Refusal: 400, saying what is wrong.
    """
    document, binary = _split(body, header_length)
    parameters = _mapping(document.get("parameters", {}), "parameters")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise Refusal(
            400, f"the model takes one input, {INPUT!r}; got {len(inputs) if isinstance(inputs, list) else 'none'}"
        )
    tensor = _tensor(_mapping(inputs[0], "an input"), binary, most_images)
    wanted = document.get("outputs")
    everything = bool(parameters.get("binary_data_output", False))
    if wanted is None or wanted == []:
        outputs = tuple(WantedOutput(name, everything, 0) for name in known_outputs)
    elif isinstance(wanted, list):
        outputs = tuple(_output(_mapping(entry, "an output"), everything, known_outputs) for entry in wanted)
    else:
        raise Refusal(400, "outputs must be a list")
    identifier = document.get("id", "")
    if not isinstance(identifier, str) or len(identifier) > 200:
        raise Refusal(400, "id must be a text of at most 200 characters")
    return InferRequest(identifier, tensor, outputs)


def answer(request: InferRequest, model: ServedModel, found: Mapping[str, np.ndarray]) -> tuple[bytes, int | None]:
    """Return an answer's body, and the length of the JSON in it where binary tensors follow."""
    described: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for wanted in request.outputs:
        values = found[wanted.name]
        if wanted.classes:
            entry, data = _classification(values, model.classifier.labels, wanted)
        else:
            entry = {"name": wanted.name, "datatype": "FP32", "shape": list(values.shape)}
            data = np.ascontiguousarray(values, "<f4").tobytes() if wanted.binary else b""
            if not wanted.binary:
                entry["data"] = values.ravel().tolist()
        if wanted.binary:
            entry["parameters"] = {"binary_data_size": len(data)}
            binary.append(data)
        described.append(entry)
    document: dict[str, Any] = {"model_name": model.name, "model_version": model.version, "outputs": described}
    if request.id:
        document["id"] = request.id
    header = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return header + b"".join(binary), len(header) if binary else None


def _split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    length = len(body)
    if header_length is not None:
        if (
            not header_length.isascii()
            or not header_length.isdigit()
            or len(header_length) > 12
            or int(header_length) > length
        ):
            raise Refusal(400, "Inference-Header-Content-Length is not the length of the JSON")
        length = int(header_length)
    try:
        document = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the request is not JSON: {str(error)[:100]}") from None
    return _mapping(document, "the request"), memoryview(body)[length:]


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(400, f"{what} must be a JSON object")
    return value


def _tensor(entry: dict[str, Any], binary: memoryview, most_images: int) -> Tensor:
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    parameters = _mapping(entry.get("parameters", {}), "an input's parameters")
    if not isinstance(name, str) or not isinstance(shape, list) or not shape or len(shape) > 8:
        raise Refusal(400, "an input has a name, a datatype, a shape and data")
    if not all(isinstance(size, int) and not isinstance(size, bool) and 0 < size < _MOST_ELEMENTS for size in shape):
        raise Refusal(400, f"shape {str(shape)[:100]} must be whole numbers above 0")
    if name != INPUT:
        raise Refusal(400, f"there is no input {name[:200]!r}; the model takes {INPUT!r}")
    if shape[0] > most_images:
        raise Refusal(400, f"{shape[0]} images in one request, at most {most_images} are taken")
    size = parameters.get("binary_data_size")
    raw: memoryview | None = None
    if size is not None:
        if not isinstance(size, int) or isinstance(size, bool) or size != len(binary):
            raise Refusal(400, f"binary_data_size says {str(size)[:50]}, {len(binary)} bytes follow the JSON")
        raw = binary
    elif len(binary):
        raise Refusal(400, f"{len(binary)} bytes follow the JSON that no input describes")
    if datatype == "BYTES":
        return Tensor(name, encoded=_encoded(raw, entry.get("data"), shape))
    if datatype not in _DTYPES:
        raise Refusal(400, f"datatype {str(datatype)[:50]!r} is not taken; send BYTES (encoded images), UINT8 or FP32")
    return Tensor(name, array=_numbers(raw, entry.get("data"), shape, _DTYPES[datatype]))


def _encoded(raw: memoryview | None, data: Any, shape: list[int]) -> tuple[bytes, ...]:
    """Read encoded images: each after its length in 4 bytes, or as base64 in JSON."""
    images: list[bytes] = []
    if raw is not None:
        position = 0
        while position < len(raw):
            if position + 4 > len(raw):
                raise Refusal(400, "BYTES data is cut short")
            (length,) = struct.unpack_from("<I", raw, position)
            position += 4
            if position + length > len(raw):
                raise Refusal(400, "BYTES data is cut short")
            images.append(bytes(raw[position : position + length]))
            position += length
    else:
        for text in _flat(data):
            if not isinstance(text, str):
                raise Refusal(400, "BYTES data in JSON is texts: images in base64")
            try:
                images.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                raise Refusal(400, "BYTES data in JSON must be images in base64") from None
    if len(shape) > 2 or len(images) != int(np.prod(shape)):
        raise Refusal(400, f"shape {shape} does not fit {len(images)} encoded images")
    return tuple(images)


def _numbers(raw: memoryview | None, data: Any, shape: list[int], dtype: np.dtype) -> np.ndarray:
    count = 1
    for size in shape:
        count *= size
    if raw is not None:
        if len(raw) != count * dtype.itemsize:
            raise Refusal(400, f"shape {shape} takes {count * dtype.itemsize} bytes, got {len(raw)}")
        array = np.frombuffer(raw, dtype)
    else:
        try:
            values = np.asarray(data, np.float64)
        except (ValueError, TypeError, OverflowError):
            raise Refusal(400, "data must be numbers, flat or nested as the shape says") from None
        if values.size != count:
            raise Refusal(400, f"shape {str(shape)[:100]} takes {count} numbers, got {values.size}")
        if dtype.kind == "u" and not (np.isfinite(values).all() and (values == np.clip(np.rint(values), 0, 255)).all()):
            raise Refusal(400, "UINT8 data must be whole numbers from 0 to 255")
        with np.errstate(over="ignore"):
            array = values.astype(dtype)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(400, "FP32 data must be finite numbers")
    return array.reshape(shape)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Refusal(400, "an input's data must be a list")
    return [item for entry in data for item in (entry if isinstance(entry, list) else [entry])]


def _output(entry: dict[str, Any], everything: bool, known: Sequence[str]) -> WantedOutput:
    name = entry.get("name")
    if name not in known:
        raise Refusal(400, f"there is no output {str(name)[:200]!r}; there is: {', '.join(known)}")
    parameters = _mapping(entry.get("parameters", {}), "an output's parameters")
    classes = parameters.get("classification", 0)
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
        raise Refusal(400, "classification must be a whole number of classes")
    if classes and name not in ("probabilities", "logits"):
        raise Refusal(400, f"classification is for probabilities and logits, not {name}")
    return WantedOutput(str(name), bool(parameters.get("binary_data", everything)), classes)


def _classification(values: np.ndarray, labels: Sequence[str], wanted: WantedOutput) -> tuple[dict[str, Any], bytes]:
    """Return the likeliest classes as texts ``value:index:label``, likeliest first."""
    most = min(wanted.classes, values.shape[1])
    texts = [f"{row[index]:f}:{index}:{labels[index]}" for row in values for index in np.argsort(-row, kind="stable")[:most]]
    entry: dict[str, Any] = {"name": wanted.name, "datatype": "BYTES", "shape": [len(values), most]}
    if not wanted.binary:
        return {**entry, "data": texts}, b""
    encoded = [text.encode("utf-8", "backslashreplace") for text in texts]
    return entry, b"".join(struct.pack("<I", len(text)) + text for text in encoded)
