"""The graph that exported engines run: written once per weights and preprocessing, and kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tlcore.backbone import Backbone
from tlcore.engines.kept import keep, map_kept

OUTPUT = "features"

_OPSET = 20
_VERSION = "1"
"""Raised whenever the same network would be exported to another graph."""


def graph_file(backbone: Backbone, directory: Path, form: str = "onnx") -> Path:
    """Return where a form of a backbone's graph is kept: by the digests of weights and preprocessing, and its features."""
    info = backbone.info
    text = f"{_VERSION} {info.weights_digest} {info.preprocess.digest} {info.feature_size} {info.architecture}"
    return directory / "graphs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.{form}"


def feature_graph(backbone: Backbone, directory: Path | None) -> bytes:
    """Return the ONNX graph from (images, height, width, 3) uint8 to `OUTPUT`, (images, features) float32.

    It is read where it is kept and whole, else exported.

    Args:
        backbone: with a `torch_embedder`.
        directory: the cache directory; None keeps nothing.

    Raises:
        ExportError: the network cannot be exported.
        TlcoreError: the graph cannot be kept.
    """
    file = graph_file(backbone, directory) if directory is not None else None
    if file is not None and (kept := map_kept(file)) is not None:
        return kept.tobytes()
    graph = _export(backbone)
    if file is not None:
        keep(file, graph)
    return graph


def _export(backbone: Backbone) -> bytes:
    from tlcore.export.graph import write_graph
    from tlcore.torch_network import PixelEmbedder

    network = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
    # The legacy exporter takes a third of the other's time, and what it writes is checked against the network here.
    written = write_graph(network, backbone.info.preprocess.image_size, [OUTPUT], _OPSET, quick=True)
    graph: bytes = written.model.SerializeToString()
    return graph
