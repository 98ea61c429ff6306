"""An exported ONNX file as a subject: it gives answers, and no gradients."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float32

from tlcore.errors import VisualizationError
from tlcore.exported.classifier import Classifier
from tlcore.preprocess import Preprocess
from tlcore.visualizer import Subject


class ExportedNetwork(torch.nn.Module):
    """From normalised inputs to the logits that an exported file answers, by onnxruntime.

    Args:
        classifier: of the file.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Float32[torch.Tensor, "images 3 height width"]) -> Float32[torch.Tensor, "images classes"]:
        """Return logits; raises `VisualizationError` where a gradient is asked for."""
        if torch.is_grad_enabled() and inputs.requires_grad:
            raise VisualizationError(
                f"{self.classifier.path}: an exported file gives answers and no gradients; give the bundle it came from, "
                "or ask for answers only: 'tl explain --method occlusion', 'tl adversarial --method square'"
            )
        preprocess: Preprocess = self.classifier.preprocess
        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (preprocess.mean, preprocess.std))
        levels = ((inputs * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
        pixels = levels.permute(0, 2, 3, 1).contiguous().numpy()
        return torch.from_numpy(self.classifier.run(pixels, ("logits",))["logits"])


def exported_subject(path: Path) -> Subject:
    """Make the subject of an exported file; raises `ModelFileError` where it is none."""
    classifier = Classifier(path)
    temperature = classifier.record.temperature if classifier.record is not None else 1.0
    return Subject(
        name=str(path),
        network=ExportedNetwork(classifier).eval(),
        preprocess=classifier.preprocess,
        class_names=classifier.labels,
        temperature=temperature,
        record={"onnx": str(path), "digest": classifier.digest},
    )
