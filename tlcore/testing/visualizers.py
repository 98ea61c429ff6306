"""The contract of visualizers as checks."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float32
from PIL import Image

from tlcore.backbone import Backbone, BackboneInfo
from tlcore.dataset import Dataset, Sample
from tlcore.errors import PluginError, TlcoreError
from tlcore.images import BytesImage, encode_png
from tlcore.preprocess import Preprocess
from tlcore.progress import ProgressEvent
from tlcore.testing.cancelling import expect_cancels
from tlcore.testing.conformance import Conformance, ConformanceFailure, expect, expect_json
from tlcore.visualizer import Subject, Visualization, VisualizationRequest, Visualizer

if TYPE_CHECKING:
    import torch


class SmallBackbone(Backbone):
    """The small network without its classifier.

    Args:
        embedder: from normalised inputs to pooled features, 16 of each image.
    """

    def __init__(self, embedder: torch.nn.Module) -> None:
        self._embedder = embedder

    @property
    def info(self) -> BackboneInfo:
        """What it is."""
        return BackboneInfo(
            name="small network",
            architecture="small",
            feature_size=16,
            preprocess=Preprocess(image_size=(64, 64)),
            weights_digest="0" * 64,
            pretrained=False,
            parameters=sum(parameter.numel() for parameter in self._embedder.parameters()),
        )

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Return pooled features."""
        import torch

        with torch.inference_mode():
            features: np.ndarray = self._embedder(torch.from_numpy(inputs)).numpy()
        return features


def small_subject() -> Subject:
    """Return a small convolutional network with fixed random weights: 64 x 64 pixels in, 5 classes out."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(16, 5),
        ).eval()
    return Subject(
        name="small network",
        network=network,
        preprocess=Preprocess(image_size=(64, 64)),
        class_names=("ant", "bee", "cow", "dog", "eel"),
        backbone=SmallBackbone(network[:-1]),
    )


def photos() -> list[Image.Image]:
    """Return two upright RGB images of other sizes than the network's: a disc on a ramp, and noise."""
    rows, columns = np.mgrid[0:90, 0:120]
    ramp = np.stack([columns * 2, rows * 2, np.full_like(rows, 80)], axis=-1).astype(np.uint8)
    ramp[(rows - 45) ** 2 + (columns - 60) ** 2 < 600] = (220, 40, 40)
    noise = np.random.default_rng(0).integers(0, 256, (80, 70, 3), dtype=np.uint8)
    return [Image.fromarray(ramp), Image.fromarray(noise)]


def small_dataset() -> Dataset:
    """Return eight labelled images of the small network's first two classes."""
    random = np.random.default_rng(1)
    samples = []
    for index in range(8):
        pixels = random.integers(0, 128, (72, 80, 3), dtype=np.uint8)
        pixels[..., index % 2] += 100
        image = BytesImage(encode_png(Image.fromarray(pixels)))
        samples.append(Sample(image=image, name=f"{index}.png", label=index % 2))
    return Dataset(name="small dataset", class_names=("ant", "bee"), splits={"all": tuple(samples)}, licence="MIT")


class VisualizerConformance(Conformance):
    """Checks of a visualizer, on a small network with random weights; see `Conformance` for how to use it.

    Attributes:
        needs_images: False where it looks at the network alone.
        needs_dataset: True where it works on labelled images; it is then given a dataset of eight small ones.
        classes: indices of the classes it is asked for, each below 5.
    """

    kind = "visualizer"
    needs_images: ClassVar[bool] = True
    needs_dataset: ClassVar[bool] = False
    classes: ClassVar[tuple[int, ...]] = ()

    @property
    def subject(self) -> Visualizer:
        """The visualizer under test."""
        made: Visualizer = super().subject
        return made

    @cached_property
    def network(self) -> Subject:
        """The network that is looked into."""
        return small_subject()

    @cached_property
    def request(self) -> VisualizationRequest:
        """What it is asked."""
        return VisualizationRequest(
            images=tuple(photos()) if self.needs_images else (),
            classes=self.classes,
            dataset=small_dataset() if self.needs_dataset else None,
        )

    def use(self) -> None:
        """Make the pictures once."""
        self.subject.visualize(self.network, self.request)

    @cached_property
    def result(self) -> Visualization:
        """Return what it makes."""
        return self.subject.visualize(self.network, self.request)

    def test_pictures_have_names_of_files(self) -> None:
        """Pictures are uint8 RGB; their names and those of other files differ and are file names; captions are one line."""
        try:
            expect(self.result.pictures or self.result.files, f"{self.name}: it made neither a picture nor a file")
        except PluginError as error:
            raise ConformanceFailure(f"{self.name}: {error}") from error

    def test_frames_show_how_pictures_came_about(self) -> None:
        """Asked for frames, it gives the same pictures; a picture's frames are of one size."""
        try:
            shown = self.make().visualize(self.network, replace(self.request, frames=True))
        except PluginError as error:
            raise ConformanceFailure(f"{self.name}: {error}") from error
        expect(_pixels(shown) == _pixels(self.result), f"{self.name}: asked for frames, it made other pictures")

    def test_same_seed_gives_the_same(self) -> None:
        """The same seed gives the same pictures."""
        again = self.make().visualize(self.network, self.request)
        expect(
            _pixels(self.result) == _pixels(again),
            f"{self.name}: the same seed gave other pictures the second time; use the seed it gets",
        )

    def test_network_is_left_as_it_was(self) -> None:
        """Weights, buffers, mode, gradients, hooks and what requires a gradient are as before."""
        before = _network_state(self.network.network)
        self.subject.visualize(self.network, self.request)
        after = _network_state(self.network.network)
        changed = [told for told in before if before[told] != after[told]]
        expect(not changed, f"{self.name}: left the network with other {', '.join(changed)}")

    def test_images_are_left_as_they_were(self) -> None:
        """The images it is given are not drawn into."""
        before = [image.tobytes() for image in self.request.images]
        self.subject.visualize(self.network, self.request)
        expect(
            before == [image.tobytes() for image in self.request.images], f"{self.name}: drew into the images it was given"
        )

    def test_record_is_json(self) -> None:
        """The record of how the pictures were made can be written as JSON."""
        expect_json(self.result.record, f"{self.name}: the record")

    def test_without_images_it_works_or_says_so(self) -> None:
        """Given no images it makes pictures of the network, or raises a `TlcoreError` of one line."""
        try:
            self.subject.visualize(self.network, replace(self.request, images=(), image_names=()))
        except TlcoreError as error:
            expect("\n" not in str(error), f"{self.name}: its error without images must be one line, got {str(error)!r}")
        except Exception as error:  # the plugin boundary: any other exception is the finding
            raise ConformanceFailure(
                f"{self.name}: without images it must work or raise a TlcoreError, got {type(error).__name__}: {error}"
            ) from error

    def test_progress_cancels(self) -> None:
        """An exception raised by `progress` reaches the caller unchanged, and the network is as before."""
        before = _network_state(self.network.network)
        expect_cancels(
            lambda cancel: self.subject.visualize(self.network, replace(self.request, progress=cancel)), self.name
        )
        after = _network_state(self.network.network)
        changed = [told for told in before if before[told] != after[told]]
        expect(not changed, f"{self.name}: cancelled, it left the network with other {', '.join(changed)}")

    def test_interrupted_it_keeps_what_is_whole(self) -> None:
        """Interrupted half-way, what it kept so far, if anything, is a visualization; the network is as before."""
        events: list[ProgressEvent] = []
        self.subject.visualize(self.network, replace(self.request, progress=events.append))
        left = [len(events) // 2 + 1]
        kept: list[Visualization] = []

        def interrupt(event: ProgressEvent) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        before = _network_state(self.network.network)
        try:
            self.subject.visualize(self.network, replace(self.request, progress=interrupt), rescue=kept.append)
        except KeyboardInterrupt:
            pass
        except PluginError as error:
            raise ConformanceFailure(f"{self.name}: interrupted, what it kept is no visualization: {error}") from error
        for result in kept:
            expect_json(result.record, f"{self.name}: interrupted, the record of what it kept")
        after = _network_state(self.network.network)
        changed = [told for told in before if before[told] != after[told]]
        expect(not changed, f"{self.name}: interrupted, it left the network with other {', '.join(changed)}")


def _pixels(result: Visualization) -> list[tuple[str, bytes]]:
    return [(picture.name, picture.pixels.tobytes()) for picture in result.pictures]


def _network_state(network: Any) -> dict[str, Any]:
    modules = list(network.modules())
    parameters = list(network.parameters())
    return {
        "weights": {name: tensor.detach().numpy().tobytes() for name, tensor in network.state_dict().items()},
        "modes": [module.training for module in modules],
        "hooks": [
            (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks)) for module in modules
        ],
        "gradients": [parameter.grad is None for parameter in parameters],
        "requires_grad": [parameter.requires_grad for parameter in parameters],
    }
