"""A backbone's graph in OpenVINO's own format: converted once, kept, and mapped into memory rather than read.

The ONNX graph of vgg16, half a gigabyte, went through three copies at each start.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.graph import feature_graph, graph_file
from tlcore.engines.kept import keep, map_kept

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")

_SIZE = 8
"""Bytes that tell how long the text is."""


@dataclass(frozen=True)
class OpenvinoModel:
    """A network in OpenVINO's own format.

    Attributes:
        text: its layers, in XML.
        weights: theirs, (bytes,) uint8; what reads them in place needs them as long as it lives.
    """

    text: bytes
    weights: np.ndarray


def openvino_model(openvino: Any, backbone: Backbone, directory: Path | None, images: int) -> OpenvinoModel:
    """Return a backbone's graph for calls of so many images, mapped from where it is kept, else converted.

    Raises:
        ExportError: the network cannot be exported.
        TlcoreError: it cannot be kept.
        RuntimeError: OpenVINO cannot read the graph.
        OSError: there is no room for temporary files.
    """
    if directory is None:
        return _convert(openvino, backbone, None, images)
    file = graph_file(backbone, directory, f"{images}.openvino-{version('openvino')}")
    if (kept := map_kept(file)) is not None:
        size = int.from_bytes(kept[-_SIZE:].tobytes(), "little")
        return OpenvinoModel(kept[-_SIZE - size : -_SIZE].tobytes(), kept[: -_SIZE - size])
    model = _convert(openvino, backbone, directory, images)
    keep(file, model.weights.data, model.text, len(model.text).to_bytes(_SIZE, "little"))
    return model


def _convert(openvino: Any, backbone: Backbone, directory: Path | None, images: int) -> OpenvinoModel:
    model = openvino.Core().read_model(feature_graph(backbone, directory), b"")
    model.reshape({0: [images, *backbone.info.preprocess.image_size, 3]})
    with tempfile.TemporaryDirectory() as temporary:
        text, weights = Path(temporary, "model.xml"), Path(temporary, "model.bin")
        openvino.serialize(model, text, weights)
        return OpenvinoModel(text.read_bytes(), np.fromfile(weights, np.uint8))


def with_float32_front(text: bytes, count: int) -> bytes:
    """Return a network whose first so many layers with weights, and all before and between them, run in float32."""
    if not count:
        return text
    network = ElementTree.fromstring(text)
    for layer in front_layers(network, count):
        _mark(layer)
    return ElementTree.tostring(network)


def front_layers(network: ElementTree.Element, count: int) -> list[ElementTree.Element]:
    """Return the layers of a network, in XML, up to the place where so many with weights are over.

    It is the first place where one layer's output is all that later ones read of the image, for OpenVINO cannot divide a
    block in two of whose branches one runs beside it; and it lies before the next layer with weights.
    """
    sources = defaultdict(list)
    for edge in network.iterfind("edges/edge"):
        sources[edge.get("to-layer")].append(edge.get("from-layer"))
    readers = Counter(source for read in sources.values() for source in read)
    layers = network.findall("layers/layer")
    unread: dict[str | None, int] = {}
    weighted, end = 0, None
    for index, layer in enumerate(layers):
        read = [source for source in sources[layer.get("id")] if source in unread]
        if not read and layer.get("type") != "Parameter":
            continue  # a constant, or made of constants
        if layer.get("type") in _WEIGHTED:
            if end is not None:
                return layers[:end]
            weighted += 1
        for source in read:
            unread[source] -= 1
        unread = {source: left for source, left in unread.items() if left}
        unread[layer.get("id")] = readers[layer.get("id")]
        if weighted >= count and len(unread) == 1:
            end = index + 1
    return layers


def _mark(layer: ElementTree.Element) -> None:
    info = layer.find("rt_info")
    if info is None:
        info = ElementTree.Element("rt_info")
        layer.insert(int(layer.find("data") is not None), info)
    ElementTree.SubElement(info, "attribute", name="precise", version="0")
