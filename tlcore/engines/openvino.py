"""OpenVINO as engine, where it is installed: the exported graph, one thread a call, in bfloat16 where the processor has it.

A network's first layers suffer most from fewer bits. Of the 52 convolutions of mobilenetv2_100, rounding the first depthwise
one alone leaves a least cosine of 0.9980 with float32 features (24 photos), rounding any other alone 0.9999. So the engine
comes in variants whose first layers stay in float32, and the first variant that agrees is taken: with five of them
mobilenetv2_100 agrees to 0.9995 and keeps nine tenths of its speed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.engines.openvino_model import OpenvinoModel, openvino_model, with_float32_front
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
        directory: the cache directory, where the network is kept in the form that runs; None keeps none.
    """
    model = cache(lambda openvino: openvino_model(openvino, backbone, directory, _BATCH))

    def variant(precision: str, front: int = 0) -> Engine:
        return Engine(
            name=NAME,
            precision=precision,
            backbone=backbone,
            batch_size=_BATCH,
            parallel=True,
            compute=Prepared(lambda: _prepare(backbone, model, reduced=precision != "float32", front=front)),
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


def _prepare(backbone: Backbone, converted: Callable[[Any], OpenvinoModel], *, reduced: bool, front: int) -> Network:
    try:
        openvino = import_openvino()
    except ImportError as error:
        raise BackboneError(f"OpenVINO cannot be imported: {_one_line(error)}; --engine onnx does without") from error
    core = openvino.Core()
    if reduced and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise BackboneError(f"backbone {backbone.info.name} cannot run in bfloat16: the processor has none")
    try:
        model = converted(openvino)
        text = with_float32_front(model.text, front)
        network = core.read_model(text, openvino.Tensor(model.weights, shared_memory=True))
        compiled = core.compile_model(network, "CPU", _settings(reduced=reduced))
    except (RuntimeError, OSError) as error:  # OpenVINO's own errors; no room for a temporary file
        raise BackboneError(f"backbone {backbone.info.name}: OpenVINO cannot run it: {_one_line(error)}") from error
    return _Compiled(compiled, model.weights)


class _Compiled:
    """A network that is ready; each thread that calls it has a request of its own.

    Args:
        network: OpenVINO's compiled model.
        weights: which it reads in place without holding them.
    """

    def __init__(self, network: Any, weights: np.ndarray) -> None:
        self._network = network
        self._weights = weights
        self._requests = local()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._network.create_infer_request()
        features: np.ndarray = self._requests.own.infer({0: images}, share_inputs=True, share_outputs=True)[0]
        return features.copy()


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
