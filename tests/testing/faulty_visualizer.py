"""A visualizer that shows the gradient of the first class, with a fault on request."""

from __future__ import annotations

import numpy as np
import torch
from faulty_plugin import Faulty

from tlcore.errors import TlcoreError
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Picture, Subject, Visualization, VisualizationRequest, Visualizer


def create(argument: str | None, options: Faulty) -> Gradient:
    """Make the visualizer."""
    return Gradient(options.fault)


def _ignore(module: object, arguments: object, output: object) -> None:
    """A hook that does nothing, and is left behind."""


class Gradient(Visualizer):
    def __init__(self, fault: str) -> None:
        self._fault = fault

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        fault, network, images = self._fault, subject.network, request.images
        if not images and fault != "needs-images":
            raise TlcoreError("needs\nimages" if fault == "two-lines" else "needs images")
        pixels = np.stack([subject.preprocess.pixels(image) for image in images])
        if fault == "training":
            network.train()
        if fault == "frozen":
            for parameter in network.parameters():
                parameter.requires_grad_(False)
        if fault == "hook":
            network.register_forward_hook(_ignore)
        if fault == "weights":
            with torch.no_grad():
                next(iter(network.parameters())).add_(1)
        if fault == "draws":
            images[0].paste((0, 0, 0), (0, 0, 5, 5))
        if fault == "seeds":
            torch.manual_seed(3)
        if fault == "cancelled-training":
            network.train()
        try:
            request.progress(ProgressEvent("gradients", 0, 1))
        except Exception:
            if fault != "deaf":
                raise
        if fault in ("cancelled-training", "interrupted-training"):
            network.eval()
        if fault == "keeps-nothing":
            request.keep(Visualization)
        if fault == "keeps-a-tensor":
            request.keep(lambda: Visualization(lines=("so far",), record={"seed": torch.tensor(1)}))
        if fault == "interrupted-training":
            network.train()
        if fault != "deaf":
            request.progress(ProgressEvent("gradients", 1, 1))
        if fault == "interrupted-training":
            network.eval()
        inputs = torch.from_numpy(subject.preprocess.normalise(pixels)).requires_grad_(True)
        score = network(inputs)[:, 0].sum()
        if fault == "gradients":
            score.backward()
        else:
            torch.autograd.grad(score, inputs)
        shown = np.clip(pixels.astype(np.int64) + 1, 0, 255).astype(np.uint8)
        if fault == "unseeded":
            shown = np.random.default_rng().integers(0, 256, shown.shape, dtype=np.uint8)
        if fault == "fickle-frames" and request.frames:
            shown = 255 - shown
        if fault == "float":
            shown = shown.astype(np.float32)
        caption = "a\nb" if fault == "caption" else "gradient"
        names = {"same-name": "x", "slashed": "a/{}"}
        return Visualization(
            pictures=tuple(
                Picture(
                    names.get(fault, "gradient-{}").format(i), image, caption, (image, image[1:]) if fault == "sizes" else ()
                )
                for i, image in enumerate(shown)
            ),
            record={"seed": torch.tensor(request.seed) if fault == "record" else request.seed},
        )
