"""The network as an exported ONNX file in a temporary folder: whether it is fooled by the same file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tlcore.classifier import Classifier
from tlcore.export.graph import write_graph
from tlcore.onnx_file import OUTPUTS, ModelRecord, seal, weights_sha256
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
    written = write_graph(_FromBytes(PixelNetwork(subject)).eval(), subject.preprocess.image_size, OUTPUTS[:2], _OPSET)
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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "attacked.onnx")
        path.write_bytes(seal(data, record))
        yield Classifier(path)
