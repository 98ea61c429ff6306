"""Visualizers: looking into a network, or fooling it. What comes out is pictures and a record to repeat them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tlcore.backbone import Backbone
from tlcore.dataset import Dataset
from tlcore.errors import OptionError, PluginError
from tlcore.head import FittedHead
from tlcore.label import find_label, same_class
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress, silent

if TYPE_CHECKING:
    import torch

_FILE_NAME = re.compile(r"[\w][\w .+-]*\Z")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The network that is looked into. `tlcore.subject.make_subject` makes one of a backbone or a bundle.

    Attributes:
        name: the backbone's reference or the bundle's path.
        network: from normalised inputs, (images, 3, height, width) float32, to logits, differentiable; in evaluation mode.
        preprocess: how images become its input.
        class_names: in logit order; empty where they have no names. A name may list synonyms, parted by ``", "``.
        temperature: what logits are divided by before the softmax; 1 unless a bundle's was fitted.
        bundle: the directory of the bundle it was made of; None where it is a backbone with its own classifier.
        backbone: what it was made of, for those who need pooled features, which are kept from one time to the next; or None.
        views: of each image that the head takes the mean features of, as `tlcore.features.views.parse_views` takes them.
        head: of a bundle, from pooled features to logits; None where it is a backbone with its own classifier.
        record: everything needed to make it again, JSON-ready.
    """

    name: str
    network: torch.nn.Module = field(repr=False)
    preprocess: Preprocess
    class_names: tuple[str, ...] = ()
    temperature: float = 1.0
    bundle: Path | None = None
    backbone: Backbone | None = field(default=None, repr=False)
    views: str = "one"
    head: FittedHead | None = field(default=None, repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def find_class(self, text: str) -> int:
        """Return the index of the class that a person means: its name, one of its synonyms, or its index.

        Raises:
            UnknownNameError: there is no such class, or several; names the nearest.
        """
        return find_label(text, self.class_names, self.name)

    def class_among(self, other: Subject, index: int) -> int | None:
        """Return the index of the one class of another subject that has a name of this one's class `index`, or None."""
        return same_class(self.class_names[index], other.class_names) if self.class_names else None

    def check_mode(self) -> None:
        """Raise `OptionError` where a part of the network is in training mode, in which answers change from call to call."""
        if any(module.training for module in self.network.modules()):
            raise OptionError(f"{self.name}: the network is in training mode; call network.eval() first")

    def class_name(self, index: int) -> str:
        """Return the first of a class's names, or its index as text where the classes have none."""
        return self.class_names[index].partition(", ")[0] if self.class_names else str(index)


@dataclass(frozen=True)
class Picture:
    """One result to look at.

    Attributes:
        name: file name without ending.
        pixels: RGB, (height, width, 3), uint8.
        caption: one line to print under it: labels and probabilities, what a person should know of it.
        frames: how it came about, first to last, all of one size; empty where it did not, or nobody asked.
    """

    name: str
    pixels: UInt8[np.ndarray, "height width 3"]
    caption: str = ""
    frames: tuple[UInt8[np.ndarray, "height width 3"], ...] = field(default=(), repr=False)

    def _repr_html_(self) -> str:
        from tlcore.display.notebook import picture_html

        return picture_html(self)


@dataclass(frozen=True, kw_only=True)
class Visualization:
    """Pictures, and the record of everything needed to make them again.

    Attributes:
        pictures: in the order they are shown; none only where `lines` says something.
        record: what was set, chosen and measured, JSON-ready.
        files: other results by file name with its ending, for instance an HTML page.
        lines: what a person should read first, a line each.
        columns: how many pictures belong side by side on a contact sheet; None where any number does.
    """

    pictures: tuple[Picture, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    lines: tuple[str, ...] = ()
    columns: int | None = None

    def _repr_html_(self) -> str:
        from tlcore.display.notebook import visualization_html

        return visualization_html(self)


Keep = Callable[[Callable[[], Visualization]], None]
"""Takes a function that makes a visualization of what there is so far; it is called if the work is interrupted."""


def _forget(unfinished: Callable[[], Visualization]) -> None:
    """Keep nothing."""


@dataclass(frozen=True, kw_only=True)
class VisualizationRequest:
    """What a visualizer is asked to do.

    Attributes:
        images: upright RGB images, of any size.
        image_names: what each is called, as many as images.
        classes: indices of the classes that were asked for, each below the number of logits.
        dataset: labelled images for those who need some; None where none was given.
        judges: other networks, by which the result is judged.
        companions: other networks, by which the result is made too; each knows every class asked for.
        frames: whether to show how each picture came about.
        seed: of anything random.
        cache_directory: where pooled features are kept; None keeps none.
        progress: told how far it is; what it raises cancels the work and reaches the caller unchanged.
        keep: given, whenever there is something worth keeping, a function that makes a visualization of it. It is called
            if the work is interrupted by Ctrl-C, and must do without further progress.
    """

    images: tuple[Image.Image, ...] = ()
    image_names: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    dataset: Dataset | None = None
    judges: tuple[Subject, ...] = ()
    companions: tuple[Subject, ...] = ()
    frames: bool = False
    seed: int = 0
    cache_directory: Path | None = None
    progress: Progress = silent
    keep: Keep = _forget


class Visualizer(ABC):
    """A way to look into a network. A plugin's subclass writes `compute`."""

    @abstractmethod
    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        """Make the pictures. Written by the plugin; callers use `visualize`. The network is left as it was found."""

    def visualize(
        self,
        subject: Subject,
        request: VisualizationRequest | None = None,
        *,
        rescue: Callable[[Visualization], None] | None = None,
    ) -> Visualization:
        """Make pictures of a network, or of what it makes of images.

        Args:
            subject: what is looked into.
            request: images, classes and all else the visualizer is asked for; by default nothing in particular.
            rescue: given the best so far when Ctrl-C interrupts the work and there is something worth keeping; the
                KeyboardInterrupt is raised on afterwards.

        Raises:
            OptionError: the request contradicts itself or the network.
            PluginError: the visualizer returned something else than its contract says.
        """
        asked = _checked_request(request or VisualizationRequest(), subject)
        kept: list[Callable[[], Visualization]] = []
        try:
            result = self.compute(subject, replace(asked, keep=lambda make: kept.__setitem__(slice(None), [make])))
        except KeyboardInterrupt:
            if rescue is not None and kept:
                rescue(_checked(kept[0](), type(self).__name__))
            raise
        return _checked(result, type(self).__name__)


def _checked_request(request: VisualizationRequest, subject: Subject) -> VisualizationRequest:
    """Return the request with a name for each image; raise `OptionError` where it cannot be met by anybody."""
    names = request.image_names or tuple(f"image-{index}" for index in range(len(request.images)))
    if len(names) != len(request.images):
        raise OptionError(f"{len(request.images)} images were given with {len(names)} names")
    for name, image in zip(names, request.images, strict=True):
        if image.mode != "RGB":
            raise OptionError(f"{name}: a visualizer takes RGB images, got mode {image.mode}; decode_image() makes one")
    for index in request.classes:
        if index < 0 or (subject.class_names and index >= len(subject.class_names)):
            raise OptionError(f"{subject.name} has {len(subject.class_names)} classes, there is no class {index}")
    subject.check_mode()
    return replace(request, image_names=names)


def _checked(result: object, who: str) -> Visualization:
    if not isinstance(result, Visualization) or not (result.pictures or result.lines):
        raise PluginError(f"{who} must return a Visualization with at least one picture, or lines to read")
    seen: set[str] = set()
    for picture in result.pictures:
        for pixels in (picture.pixels, *picture.frames):
            if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
                raise PluginError(
                    f"{who}: picture {picture.name!r} must be uint8 (height, width, 3), got {pixels.dtype} {pixels.shape}"
                )
        if len({frame.shape for frame in picture.frames}) > 1:
            raise PluginError(f"{who}: the frames of picture {picture.name!r} differ in size")
        if "\n" in picture.caption:
            raise PluginError(f"{who}: the caption of picture {picture.name} is more than one line")
    for name in (*(picture.name for picture in result.pictures), *result.files):
        if not _FILE_NAME.match(name):
            raise PluginError(f"{who}: picture name {name!r} is no file name on every system")
        if name.lower() in seen:
            raise PluginError(f"{who}: two pictures are named {name!r}")
        seen.add(name.lower())
    return result


def file_name(text: str) -> str:
    """Return a text as it may stand in a picture's name on every system.

    >>> file_name("photos/Grey cat (2).jpg")
    'photos-Grey cat -2-.jpg'
    """
    kept = re.sub(r"[^\w .+-]+", "-", text).strip(" .-+")
    return kept[:80].rstrip(" .") or "unnamed"
