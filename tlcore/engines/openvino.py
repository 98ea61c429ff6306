"""OpenVINO as engine, where it is installed: the exported graph, one thread a call, in bfloat16 where the processor has it.

A network's first layers suffer most from fewer bits. Of the 52 convolutions of mobilenetv2_100, rounding the first depthwise
one alone leaves a least cosine of 0.9980 with float32 features (24 photos), rounding any other alone 0.9999. So the engine
comes in variants whose first layers stay in float32, and the first variant that agrees is taken: with five of them
mobilenetv2_100 agrees to 0.9995 and keeps nine tenths of its speed.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock, local
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.engines.graph import feature_graph
from tlcore.engines.prepared import Network, Prepared
from tlcore.errors import BackboneError
from tlcore.machine.cores import available_cores

NAME = "openvino"

_LEAST_YEAR = 2026
"""Of its version."""

_FRONTS = (0, 2, 5, 10)
"""How many of a network's first layers with weights stay in float32."""

_BATCH = 2
"""Images of a call: so what the call itself costs is shared, and what two layers pass on stays in the processor's cache."""

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")

_TELEMETRY = "openvino_telemetry"
_LOCK = Lock()


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed, in a version that is known to work, without importing it."""
    try:
        return int(version(NAME).partition(".")[0]) >= _LEAST_YEAR
    except (PackageNotFoundError, ValueError):
        return False


def openvino_engines(backbone: Backbone, directory: Path | None) -> list[Engine]:
    """Return the variants of this engine, the quickest first: bfloat16, more and more layers of it in float32, all of them.

    Each prepares itself when it is first used, and raises `BackboneError` then where it cannot run here.

    Args:
        backbone: with a `torch_embedder`.
        directory: the cache directory, where the graph is kept; None keeps none.
    """
    graph = cache(lambda: feature_graph(backbone, directory))

    def variant(precision: str, front: int = 0) -> Engine:
        return Engine(
            name=NAME,
            precision=precision,
            backbone=backbone,
            batch_size=_BATCH,
            parallel=True,
            compute=Prepared(lambda: _prepare(backbone, graph, reduced=precision != "float32", front=front)),
        )

    reduced = [variant(f"bfloat16 after {front} layers" if front else "bfloat16", front) for front in _FRONTS]
    return [*reduced, variant("float32")]


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, and return it.

    It reports to its makers, and writes to the home directory, when it is imported, unless the package that does so is
    missing; that package is made to look missing for that moment. Where a program has imported OpenVINO before, its choice
    stays.
    """
    with _LOCK:
        openvino = sys.modules.get(NAME) or _import_silently()
        # Its first look at an array must be over before two threads take theirs: they would wait for each other for ever.
        openvino.Tensor(np.zeros(1, np.uint8)).data.tolist()
    return openvino


def _import_silently() -> Any:
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino  # type: ignore[import-untyped]
    finally:
        del sys.modules[_TELEMETRY]
        if before is not None:
            sys.modules[_TELEMETRY] = before
    return openvino


def _prepare(backbone: Backbone, graph: Callable[[], bytes], *, reduced: bool, front: int) -> Network:
    try:
        openvino = import_openvino()
    except ImportError as error:
        raise BackboneError(f"OpenVINO cannot be imported: {_one_line(error)}; --engine onnx does without") from error
    core = openvino.Core()
    if reduced and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise BackboneError(f"backbone {backbone.info.name} cannot run in bfloat16: the processor has none")
    try:
        model = core.read_model(graph(), b"")
        model.reshape({0: [_BATCH, *backbone.info.preprocess.image_size, 3]})
        if front:
            model = _with_float32_front(openvino, core, model, front)
        compiled = core.compile_model(model, "CPU", _settings(reduced=reduced))
    except (RuntimeError, OSError) as error:  # OpenVINO's own errors; no room for a temporary file
        raise BackboneError(f"backbone {backbone.info.name}: OpenVINO cannot run it: {_one_line(error)}") from error
    requests = local()

    def compute(images: np.ndarray) -> np.ndarray:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        features: np.ndarray = requests.own.infer({0: images}, share_inputs=True, share_outputs=True)[0]
        return features.copy()

    return compute


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _settings(*, reduced: bool) -> dict[str, object]:
    """Return settings for as many calls at once as cores, one thread each; threads may move, as decoding runs beside."""
    cores = available_cores()
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if reduced else "f32",
        "NUM_STREAMS": cores,
        "INFERENCE_NUM_THREADS": cores,
        "ENABLE_CPU_PINNING": False,
    }


def _with_float32_front(openvino: Any, core: Any, model: Any, layers: int) -> Any:
    """Return a model whose first so many layers with weights, and all before and between them, are kept in float32.

    OpenVINO takes that from the mark ``precise`` in its own file format alone, so the model goes through it.
    """
    with tempfile.TemporaryDirectory() as directory:
        text, weights = Path(directory, "model.xml"), Path(directory, "model.bin")
        openvino.serialize(model, text, weights)
        network = ElementTree.fromstring(text.read_bytes())
        for layer in front_layers(network, layers):
            _mark(layer)
        return core.read_model(ElementTree.tostring(network), weights.read_bytes())


def front_layers(network: ElementTree.Element, count: int) -> list[ElementTree.Element]:
    """Return the layers of a network, in OpenVINO's file format, up to the place where so many with weights are over.

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
