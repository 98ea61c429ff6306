"""ONNX Runtime as engine: the graph is exported once per weights and preprocessing, and kept."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.errors import TlcoreError
from tlcore.exported.onnx_file import INPUT
from tlcore.exported.runtime import open_session
from tlcore.machine.atomic import write_file

OUTPUT = "features"
_OPSET = 20
_VERSION = "1"
"""Raised whenever the same network would be exported to another graph."""

_HEAVY = 20_000_000
_BATCH_OF_HEAVY = 8
"""Above so many parameters reading the weights costs as much as the arithmetic, so a call takes several images."""


def onnx_engine(backbone: Backbone, directory: Path | None) -> Engine:
    """Return an engine that opens its graph, and where need be exports it, when it is first used.

    Each call runs on one thread: images are independent, so as many calls at once as there are cores keep them all busy
    without the threads of one call waiting for each other.

    Args:
        backbone: with a `torch_embedder`.
        directory: the cache directory, where the graph is kept; None keeps none.
    """
    return Engine(
        name="onnx",
        precision="float32",
        backbone=backbone,
        batch_size=_BATCH_OF_HEAVY if backbone.info.parameters > _HEAVY else 1,
        parallel=True,
        compute=_Session(backbone, directory),
    )


def graph_file(backbone: Backbone, directory: Path) -> Path:
    """Return where a backbone's graph is kept: by the digests of weights and preprocessing, and what is computed of them."""
    info = backbone.info
    text = f"{_VERSION} {info.weights_digest} {info.preprocess.digest} {info.feature_size} {info.architecture}"
    return directory / "graphs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.onnx"


class _Session:
    """An ONNX Runtime session opened at the first call; calls may come from several threads."""

    def __init__(self, backbone: Backbone, directory: Path | None) -> None:
        self._backbone = backbone
        self._directory = directory
        self._lock = Lock()
        self._session: Any = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if self._session is None:
            with self._lock:
                if self._session is None:
                    graph = _graph(self._backbone, self._directory)
                    self._session = open_session(graph, threads=1, name=self._backbone.info.name)
        features: np.ndarray = self._session.run([OUTPUT], {INPUT: images})[0]
        return features


def _graph(backbone: Backbone, directory: Path | None) -> bytes:
    """Return the graph, read where it is kept and whole, else exported; what is kept ends in the SHA-256 of the rest."""
    file = graph_file(backbone, directory) if directory is not None else None
    with suppress(OSError):
        content = file.read_bytes() if file is not None else b""
        if file is not None and hashlib.sha256(content[:-32]).digest() == content[-32:]:
            file.touch()  # the time of last use, which eviction goes by
            return content[:-32]
    graph = _export(backbone)
    if file is not None:
        try:
            write_file(file, graph + hashlib.sha256(graph).digest())
        except OSError as error:
            raise TlcoreError(
                f"{file}: the network's graph cannot be kept: {error.strerror or error}; "
                f"TLCORE_HOME names another place, --engine torch does without"
            ) from error
    return graph


def _export(backbone: Backbone) -> bytes:
    from tlcore.export.graph import write_graph
    from tlcore.torch_network import PixelEmbedder

    network = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
    # The legacy exporter takes a third of the other's time, and what it writes is checked against the network here.
    written = write_graph(network, backbone.info.preprocess.image_size, [OUTPUT], _OPSET, quick=True)
    graph: bytes = written.model.SerializeToString()
    return graph
