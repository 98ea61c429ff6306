"""Visualizers: looking into a network, or fooling it. What comes out is pictures and a record to repeat them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tlcore.errors import PluginError
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress, silent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The network that is looked into.

    Attributes:
        name: the backbone's reference or the bundle's path.
        network: from normalised inputs, (images, 3, height, width) float32, to logits; in evaluation mode.
        preprocess: how images become its input.
        class_names: in logit order; empty where they have no names.
    """

    name: str
    network: torch.nn.Module = field(repr=False)
    preprocess: Preprocess
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """One result to look at.

    Attributes:
        name: file name without ending.
        pixels: RGB, (height, width, 3), uint8.
        caption: one line to print under it.
    """

    name: str
    pixels: UInt8[np.ndarray, "height width 3"]
    caption: str = ""

    def _repr_html_(self) -> str:
        from tlcore.notebook import picture_html

        return picture_html(self)


@dataclass(frozen=True, kw_only=True)
class Visualization:
    """Pictures, and the record of everything needed to make them again (JSON-ready)."""

    pictures: tuple[Picture, ...]
    record: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        from tlcore.notebook import visualization_html

        return visualization_html(self)


class Visualizer(ABC):
    """A way to look into a network. A plugin's subclass writes `compute`."""

    @abstractmethod
    def compute(self, subject: Subject, images: Sequence[Image.Image], *, seed: int, progress: Progress) -> Visualization:
        """Make the pictures. Written by the plugin; callers use `visualize`."""

    def visualize(
        self, subject: Subject, images: Sequence[Image.Image] = (), *, seed: int = 0, progress: Progress = silent
    ) -> Visualization:
        """Make pictures of a network, or of what it makes of some upright RGB images.

        Raises:
            PluginError: the visualizer returned something else than named uint8 RGB pictures.
        """
        result = self.compute(subject, images, seed=seed, progress=progress)
        if not isinstance(result, Visualization) or not result.pictures:
            raise PluginError(f"{type(self).__name__} must return a Visualization with at least one picture")
        for picture in result.pictures:
            if picture.pixels.ndim != 3 or picture.pixels.shape[2] != 3 or picture.pixels.dtype != np.uint8:
                raise PluginError(
                    f"{type(self).__name__}: picture {picture.name!r} must be uint8 (height, width, 3), "
                    f"got {picture.pixels.dtype} {picture.pixels.shape}"
                )
        return result
