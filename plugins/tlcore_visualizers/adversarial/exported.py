"""The network as an exported ONNX file in a temporary folder: whether it is fooled by the same file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from tlcore.export.graph import write_graph
from tlcore.exported.classifier import Classifier
from tlcore.exported.onnx_file import OUTPUTS, ModelRecord, seal, weights_sha256
from tlcore.version import __version__
from tlcore.visualizer import Subject
from tlcore_visualizers.pixel_network import PixelNetwork

_OPSET = 20


class _FromBytes(torch.nn.Module):
    """From uint8 pixels, (images, height, width, 3), to probabilities and logits."""

    def __init__(self, network: PixelNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(images.permute(0, 3, 1, 2).to(torch.float32) / 255)
        return torch.softmax(logits / self.network.temperature, dim=1), logits


@contextmanager
def exported(subject: Subject, classes: int) -> Iterator[Classifier]:
    """Export a network and give the classifier that runs the file, without torch.

    Args:
        subject: whose network.
        classes: how many logits it returns.

    Raises:
        ExportError: the network cannot be exported.
    """
    network = _FromBytes(PixelNetwork(subject)).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "attacked.onnx")
        for quick in (True, False):
            path.write_bytes(_sealed(network, subject, classes, quick))
            classifier = Classifier(path)
            if not quick or _agrees(classifier, network):
                yield classifier
                return


def _agrees(classifier: Classifier, network: _FromBytes) -> bool:
    """Tell whether the file answers as the network does, on noise: the quick exporter follows one run of it only."""
    height, width = classifier.preprocess.image_size
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(noise))[1].numpy()
    found = classifier.run(noise, ("logits",))["logits"]
    return bool(np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max())


def _sealed(network: _FromBytes, subject: Subject, classes: int, quick: bool) -> bytes:
    """Return the exported file's bytes."""
    written = write_graph(network, subject.preprocess.image_size, OUTPUTS[:2], _OPSET, quick=quick)
    data = written.model.SerializeToString()
    record = ModelRecord(
        labels=tuple(subject.class_name(index) for index in range(classes)),
        preprocess=subject.preprocess,
        temperature=subject.temperature,
        precision="float32",
        licence="",
        weights_sha256=weights_sha256(data),
        provenance={},
        checks={"exporter": written.exporter},
        tlcore_version=__version__,
    )
    return seal(data, record)
