"""Reading ONNX files with the standard library alone: the part of protobuf's wire format that they use.

Source: the protobuf encoding guide, and ``onnx.proto`` for the field numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tlcore.errors import ModelFileError

_ELEMENT_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a network.

    Attributes:
        name: as in the graph.
        dtype: numpy's name of the element type, or ``"other"``.
        shape: sizes, or names for those that are not fixed.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What an ONNX file says of its network.

    Attributes:
        inputs, outputs: in order; initialisers are no inputs.
        operations: operator to how often it occurs.
        parameters: how many numbers the initialisers hold.
        opset: of the default operator set.
        producer: what wrote the file.
        metadata: the file's own key to value.
        external: True where weights are in other files.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operations: Mapping[str, int]
    parameters: int
    opset: int
    producer: str
    metadata: Mapping[str, str] = field(repr=False)
    external: bool = False


@dataclass(frozen=True)
class _Field:
    number: int
    wire: int
    value: int
    start: int
    end: int
    payload: memoryview


def metadata_entries(data: memoryview) -> Iterator[tuple[str, str, int, int]]:
    """Yield key, value, and the place of each metadata entry (from, to) in a model's bytes.

    Raises:
        ModelFileError: the bytes are not an ONNX model.
    """
    for entry in _fields(data):
        if entry.number == 14:
            key, value = _pair(entry.payload)
            yield key, value, entry.start, entry.end


def read_graph(data: memoryview) -> Graph:
    """Read what a model's bytes say of its network; raises `ModelFileError` where they are not an ONNX model."""
    metadata: dict[str, str] = {}
    opset = 0
    producer: list[str] = []
    graph = memoryview(b"")
    for entry in _fields(data):
        if entry.number in (2, 3):
            producer.append(_text(entry.payload))
        elif entry.number == 7:
            graph = entry.payload
        elif entry.number == 8:
            parts = {part.number: part for part in _fields(entry.payload)}
            domain = _text(parts[1].payload) if 1 in parts else ""
            opset = parts[2].value if domain in ("", "ai.onnx") and 2 in parts else opset
        elif entry.number == 14:
            key, value = _pair(entry.payload)
            metadata[key] = value
    return _graph(graph, metadata, opset, " ".join(producer))


def initializer_payloads(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Yield the name and the encoded tensor of each initialiser of a model's bytes."""
    for entry in _fields(data):
        if entry.number == 7:
            for part in _fields(entry.payload):
                if part.number == 5:
                    name, _, _ = _tensor(part.payload)
                    yield name, part.payload


def _graph(data: memoryview, metadata: Mapping[str, str], opset: int, producer: str) -> Graph:
    operations: Counter[str] = Counter()
    initializers: set[str] = set()
    inputs: list[TensorInfo] = []
    outputs: list[TensorInfo] = []
    parameters, external = 0, False
    for entry in _fields(data):
        if entry.number == 1:
            operations.update(_text(part.payload) for part in _fields(entry.payload) if part.number == 4)
        elif entry.number == 5:
            name, size, elsewhere = _tensor(entry.payload)
            initializers.add(name)
            parameters += size
            external = external or elsewhere
        elif entry.number == 11:
            inputs.append(_value(entry.payload))
        elif entry.number == 12:
            outputs.append(_value(entry.payload))
    if not operations or not outputs:
        raise ModelFileError("holds no network")
    return Graph(
        inputs=tuple(entry for entry in inputs if entry.name not in initializers),
        outputs=tuple(outputs),
        operations=dict(operations.most_common()),
        parameters=parameters,
        opset=opset,
        producer=producer,
        metadata=metadata,
        external=external,
    )


def _tensor(data: memoryview) -> tuple[str, int, bool]:
    """Return an initialiser's name, how many numbers it holds, and whether they are in another file."""
    name, size, elsewhere = "", 1, False
    for part in _fields(data):
        if part.number == 1:
            for dimension in _dimensions(part):
                size *= dimension
        elif part.number == 8:
            name = _text(part.payload)
        elif part.number == 14:
            elsewhere = part.value == 1
    return name, size, elsewhere


def _dimensions(part: _Field) -> Iterator[int]:
    if part.wire == _VARINT:
        yield part.value
        return
    position = 0
    while position < len(part.payload):
        value, position = _varint(part.payload, position)
        yield value


def _value(data: memoryview) -> TensorInfo:
    name, dtype = "", "other"
    shape: list[int | str] = []
    for part in _fields(data):
        if part.number == 1:
            name = _text(part.payload)
        elif part.number == 2:
            for kind in _fields(part.payload):
                if kind.number == 1:
                    for item in _fields(kind.payload):
                        if item.number == 1:
                            dtype = _ELEMENT_TYPES.get(item.value, "other")
                        elif item.number == 2:
                            shape = [_dimension(axis.payload) for axis in _fields(item.payload)]
    return TensorInfo(name, dtype, tuple(shape))


def _dimension(data: memoryview) -> int | str:
    for part in _fields(data):
        if part.number == 1:
            return part.value
        if part.number == 2:
            return _text(part.payload)
    return "?"


def _pair(data: memoryview) -> tuple[str, str]:
    parts = {part.number: _text(part.payload) for part in _fields(data)}
    return parts.get(1, ""), parts.get(2, "")


def _text(data: memoryview) -> str:
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError:
        raise ModelFileError("holds text that is not UTF-8") from None


def _fields(data: memoryview) -> Iterator[_Field]:
    """Yield the fields of one message in order, without copying."""
    position, length = 0, len(data)
    while position < length:
        start = position
        tag, position = _varint(data, position)
        number, wire, value, begin = tag >> 3, tag & 7, 0, position
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire == _BYTES:
            size, begin = _varint(data, position)
            position = begin + size
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise ModelFileError("is no ONNX file, or damaged")
        if position > length or number == 0:
            raise ModelFileError("is no ONNX file, or cut short")
        yield _Field(number, wire, value, start, position, data[begin:position])


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ModelFileError("is no ONNX file, or cut short")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise ModelFileError("is no ONNX file, or damaged")
