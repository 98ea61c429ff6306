"""The contract of visualizers as checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from tlcore.errors import TlcoreError
from tlcore.preprocess import Preprocess
from tlcore.progress import ProgressEvent
from tlcore.testing.conformance import Conformance, ConformanceFailure, expect, expect_json
from tlcore.visualizer import Subject, Visualization, Visualizer

_FILE_NAME = re.compile(r"[\w][\w .+-]*\Z")


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
    )


def photos() -> list[Image.Image]:
    """Return two upright RGB images of other sizes than the network's: a disc on a ramp, and noise."""
    rows, columns = np.mgrid[0:90, 0:120]
    ramp = np.stack([columns * 2, rows * 2, np.full_like(rows, 80)], axis=-1).astype(np.uint8)
    ramp[(rows - 45) ** 2 + (columns - 60) ** 2 < 600] = (220, 40, 40)
    noise = np.random.default_rng(0).integers(0, 256, (80, 70, 3), dtype=np.uint8)
    return [Image.fromarray(ramp), Image.fromarray(noise)]


class VisualizerConformance(Conformance):
    """Checks of a visualizer, on a small network with random weights; see `Conformance` for how to use it.

    Attributes:
        needs_images: False where it looks at the network alone.
    """

    kind = "visualizer"
    needs_images: ClassVar[bool] = True

    @property
    def subject(self) -> Visualizer:
        """The visualizer under test."""
        made: Visualizer = super().subject
        return made

    @cached_property
    def network(self) -> Subject:
        """The network that is looked into."""
        return small_subject()

    @property
    def photos(self) -> Sequence[Image.Image]:
        """The images it is given."""
        return photos() if self.needs_images else []

    def use(self) -> None:
        """Make the pictures once."""
        self.subject.visualize(self.network, self.photos, seed=0)

    @cached_property
    def result(self) -> Visualization:
        """Return what it makes."""
        return self.subject.visualize(self.network, self.photos, seed=0)

    def test_pictures_have_names_of_files(self) -> None:
        """Pictures are uint8 RGB; their names differ and are file names; captions are one line."""
        names = [picture.name for picture in self.result.pictures]
        expect(len(set(names)) == len(names), f"{self.name}: two pictures are named {_repeated(names)!r}")
        wrong = [name for name in names if not _FILE_NAME.match(name)]
        expect(not wrong, f"{self.name}: picture name {wrong[0] if wrong else ''!r} is no file name on every system")
        long = [picture.name for picture in self.result.pictures if "\n" in picture.caption]
        expect(not long, f"{self.name}: the caption of picture {', '.join(long)} is more than one line")

    def test_same_seed_gives_the_same(self) -> None:
        """The same seed gives the same pictures."""
        again = self.make().visualize(self.network, self.photos, seed=0)
        first = [(picture.name, picture.pixels.tobytes()) for picture in self.result.pictures]
        second = [(picture.name, picture.pixels.tobytes()) for picture in again.pictures]
        expect(first == second, f"{self.name}: the same seed gave other pictures the second time; use the seed it gets")

    def test_network_is_left_as_it_was(self) -> None:
        """Weights, buffers, mode, gradients, hooks and what requires a gradient are as before."""
        before = _network_state(self.network.network)
        self.subject.visualize(self.network, self.photos, seed=0)
        after = _network_state(self.network.network)
        changed = [told for told in before if before[told] != after[told]]
        expect(not changed, f"{self.name}: left the network with other {', '.join(changed)}")

    def test_images_are_left_as_they_were(self) -> None:
        """The images it is given are not drawn into."""
        given = list(self.photos)
        before = [image.tobytes() for image in given]
        self.subject.visualize(self.network, given, seed=0)
        expect(before == [image.tobytes() for image in given], f"{self.name}: drew into the images it was given")

    def test_record_is_json(self) -> None:
        """The record of how the pictures were made can be written as JSON."""
        expect_json(self.result.record, f"{self.name}: the record")

    def test_without_images_it_works_or_says_so(self) -> None:
        """Given no images it makes pictures of the network, or raises a `TlcoreError` of one line."""
        try:
            self.subject.visualize(self.network, [], seed=0)
        except TlcoreError as error:
            expect("\n" not in str(error), f"{self.name}: its error without images must be one line, got {str(error)!r}")
        except Exception as error:  # the plugin boundary: any other exception is the finding
            raise ConformanceFailure(
                f"{self.name}: without images it must work or raise a TlcoreError, got {type(error).__name__}: {error}"
            ) from error

    def test_progress_cancels(self) -> None:
        """An exception raised by `progress` reaches the caller unchanged, and the network is as before."""

        class Cancelled(Exception):
            pass

        called = []

        def cancel(event: ProgressEvent) -> None:
            called.append(event)
            raise Cancelled

        before = _network_state(self.network.network)
        try:
            self.subject.visualize(self.network, self.photos, seed=0, progress=cancel)
        except Cancelled:
            pass
        else:
            expect(not called, f"{self.name}: swallowed the exception that its progress callback raised to cancel")
        after = _network_state(self.network.network)
        changed = [told for told in before if before[told] != after[told]]
        expect(not changed, f"{self.name}: cancelled, it left the network with other {', '.join(changed)}")


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


def _repeated(names: Sequence[str]) -> str:
    return next((name for name in names if names.count(name) > 1), "")
