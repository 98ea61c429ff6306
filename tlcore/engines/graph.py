"""The graph that exported engines run: written once per weights and preprocessing, and kept."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from tlcore.backbone import Backbone
from tlcore.errors import TlcoreError
from tlcore.machine.atomic import write_file

OUTPUT = "features"

_OPSET = 20
_DIGEST = hashlib.sha256().digest_size
_VERSION = "1"
"""Raised whenever the same network would be exported to another graph."""


def graph_file(backbone: Backbone, directory: Path) -> Path:
    """Return where a backbone's graph is kept: by the digests of weights and preprocessing, and what is computed of them."""
    info = backbone.info
    text = f"{_VERSION} {info.weights_digest} {info.preprocess.digest} {info.feature_size} {info.architecture}"
    return directory / "graphs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.onnx"


def feature_graph(backbone: Backbone, directory: Path | None) -> bytes:
    """Return the ONNX graph from (images, height, width, 3) uint8 to `OUTPUT`, (images, features) float32.

    It is read where it is kept and whole, else exported; what is kept ends in the SHA-256 of the rest.

    Args:
        backbone: with a `torch_embedder`.
        directory: the cache directory; None keeps nothing.

    Raises:
        ExportError: the network cannot be exported.
        TlcoreError: the graph cannot be kept.
    """
    file = graph_file(backbone, directory) if directory is not None else None
    with suppress(OSError):
        if file is not None and (kept := _read(file)):
            file.touch()  # the time of last use, which eviction goes by
            return kept
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


def _read(file: Path) -> bytes:
    """Return a kept graph; nothing where it is damaged."""
    size = max(0, file.stat().st_size - _DIGEST)
    with file.open("rb") as opened:  # in two reads: a graph may be half a gigabyte, which a slice would copy
        graph, digest = opened.read(size), opened.read()
    return graph if hashlib.sha256(graph).digest() == digest else b""


def _export(backbone: Backbone) -> bytes:
    from tlcore.export.graph import write_graph
    from tlcore.torch_network import PixelEmbedder

    network = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
    # The legacy exporter takes a third of the other's time, and what it writes is checked against the network here.
    written = write_graph(network, backbone.info.preprocess.image_size, [OUTPUT], _OPSET, quick=True)
    graph: bytes = written.model.SerializeToString()
    return graph
