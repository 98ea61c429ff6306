"""The exported model: one ONNX file that says itself what it is, and whose every byte is covered by a digest.

The file's ``metadata_props`` hold the record, one key each, all beginning with ``tlcore.``. ``tlcore.digest`` is the SHA-256
of the whole file without that one entry, so an altered weight, label or preprocessing setting is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlcore.errors import ModelFileError, TlcoreError
from tlcore.exported.onnx_wire import Graph, initializer_payloads, metadata_entries, read_graph
from tlcore.preprocess import Preprocess

FORMAT_VERSION = 1
DIGEST_KEY = "tlcore.digest"
FORMAT_KEY = "tlcore.format_version"

INPUT = "images"
"""The network's one input: uint8 (images, height, width, 3), as `Preprocess.pixels` returns them."""

OUTPUTS = ("probabilities", "logits", "features", "activation_map")
"""What an exported network returns; the last only where the class activation map exists."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Everything an exported model says of itself; JSON-ready values.

    Attributes:
        labels: class names in the order of the outputs.
        preprocess: how images become input.
        temperature: what logits are divided by before the softmax; already applied to ``probabilities``.
        precision: ``"float32"``, ``"float16"`` or ``"int8"``.
        licence: of the backbone's weights; empty where unknown.
        weights_sha256: over names and contents of the file's initialisers.
        provenance: backbone, head, data, metrics, seed and versions it came from.
        checks: what was measured when it was exported.
        tlcore_version: that wrote it.
    """

    labels: tuple[str, ...]
    preprocess: Preprocess
    temperature: float
    precision: str
    licence: str
    weights_sha256: str
    provenance: Mapping[str, Any]
    checks: Mapping[str, Any]
    tlcore_version: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "labels": list(self.labels), "preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelRecord:
        """Read what `to_dict` wrote; raises `ModelFileError` on missing or malformed fields."""
        try:
            known = {name: values[name] for name in cls.__dataclass_fields__}
            known["preprocess"] = Preprocess.from_dict(known["preprocess"])
            known["labels"] = tuple(map(str, known["labels"]))
            record = cls(**known)
            float(record.temperature)
        except KeyError as error:
            raise ModelFileError(f"its record lacks {error}") from error
        except (TypeError, ValueError, AttributeError, TlcoreError) as error:
            raise ModelFileError(f"its record is malformed: {error}") from error
        return record


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file that was read and, where tlcore wrote it, verified.

    Attributes:
        path: where it was read.
        data: its bytes.
        graph: what they say of the network.
        record: what the file says of itself; None for a file that tlcore did not write.
        digest: the verified digest; of a file that tlcore did not write, the SHA-256 of its bytes.
    """

    path: Path
    data: bytes = field(repr=False)
    graph: Graph
    record: ModelRecord | None
    digest: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.data)


def seal(network: bytes, record: ModelRecord) -> bytes:
    """Return a network's bytes with the record and the digest over all of it in its metadata.

    >>> seal(b"", ModelRecord(labels=("a", "b"), preprocess=Preprocess(image_size=(8, 8)), temperature=1.0,
    ...     precision="float32", licence="", weights_sha256="", provenance={}, checks={}, tlcore_version="1"))[:1]
    b'r'
    """
    entries = {FORMAT_KEY: str(FORMAT_VERSION)}
    entries |= {f"tlcore.{name}": _write(value) for name, value in record.to_dict().items()}
    whole = network + b"".join(_entry(key, value) for key, value in entries.items())
    return whole + _entry(DIGEST_KEY, hashlib.sha256(whole).hexdigest())


def read_model_file(path: Path) -> ModelFile:
    """Read and verify an ONNX file.

    Raises:
        ModelFileError: no such file, not ONNX, cut short, altered, with weights in other files, or made by a newer tlcore.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such file; 'tl export' makes one") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return _parse(path, data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}; 'tl export' makes such files") from error


def weights_sha256(network: bytes) -> str:
    """Return the SHA-256 over a network's initialisers, names and contents, in the file's order."""
    summary = hashlib.sha256()
    for name, payload in initializer_payloads(memoryview(network)):
        summary.update(name.encode() + b"\0")
        summary.update(payload)
    return summary.hexdigest()


def _parse(path: Path, data: bytes) -> ModelFile:
    if not data:
        raise ModelFileError("is empty")
    view = memoryview(data)
    graph = read_graph(view)
    if graph.external:
        raise ModelFileError("keeps its weights in another file, which tlcore does not open")
    if FORMAT_KEY not in graph.metadata:
        return ModelFile(path, data, graph, None, hashlib.sha256(data).hexdigest())
    version = graph.metadata[FORMAT_KEY]
    if not version.isdigit() or int(version) > FORMAT_VERSION:
        raise ModelFileError(f"has format version {version}, this tlcore reads up to {FORMAT_VERSION}; upgrade tlcore")
    digest = _verified_digest(view)
    values = {key.removeprefix("tlcore."): _read(key, value) for key, value in graph.metadata.items()}
    record = ModelRecord.from_dict(values)
    _check_shapes(graph, record)
    return ModelFile(path, data, graph, record, digest)


def _verified_digest(view: memoryview) -> str:
    summary = hashlib.sha256()
    keys: set[str] = set()
    found: list[str] = []
    position = 0
    for key, value, start, end in metadata_entries(view):
        if key in keys:
            raise ModelFileError(f"states {key!r} twice; it was altered after it was written")
        keys.add(key)
        if key == DIGEST_KEY:
            summary.update(view[position:start])
            found.append(value)
            position = end
    summary.update(view[position:])
    if not found or found[0] != summary.hexdigest():
        raise ModelFileError("was altered or damaged after it was written (wrong SHA-256)")
    return found[0]


def _check_shapes(graph: Graph, record: ModelRecord) -> None:
    height, width = record.preprocess.image_size
    inputs = [(entry.name, entry.dtype, entry.shape[1:]) for entry in graph.inputs]
    if inputs != [(INPUT, "uint8", (height, width, 3))]:
        raise ModelFileError(f"its input does not fit its record: {inputs}")
    outputs = {entry.name: entry.shape for entry in graph.outputs}
    if outputs.get("probabilities", ())[1:] != (len(record.labels),):
        raise ModelFileError(f"its outputs do not fit its {len(record.labels)} labels: {outputs}")


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TEXTS = frozenset({"tlcore.precision", "tlcore.licence", "tlcore.weights_sha256", "tlcore.tlcore_version", DIGEST_KEY})


def _read(key: str, value: str) -> Any:
    if not key.startswith("tlcore.") or key in _TEXTS:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ModelFileError(f"its record {key!r} is malformed: {error}") from error


def _entry(key: str, value: str) -> bytes:
    """Encode one metadata entry as protobuf does: field 14, a message of two texts."""
    pair = _bytes_field(1, key.encode()) + _bytes_field(2, value.encode("utf-8", "backslashreplace"))
    return _bytes_field(14, pair)


def _bytes_field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
