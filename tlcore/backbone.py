"""Backbones: pretrained networks as feature extractors. The core checks, the plugin computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.errors import BackboneError, did_you_mean
from tlcore.preprocess import Preprocess

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """What a backbone says of itself.

    Attributes:
        name: the reference that makes it again, for instance ``"timm/resnet18.a1_in1k"``.
        architecture: the network's own name.
        feature_size: length of one image's pooled features.
        preprocess: how images become its input.
        weights_digest: SHA-256 over its weights without the classifier; equal weights have equal digests.
        pretrained: False where the weights are random.
        parameters: how many numbers its weights hold, classifier excluded.
        licence, origin: of the weights; empty where unknown.
        class_names: of its own classifier, in order; empty where it has none.
    """

    name: str
    architecture: str
    feature_size: int
    preprocess: Preprocess
    weights_digest: str
    pretrained: bool
    parameters: int
    licence: str = ""
    origin: str = ""
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkFiles:
    """A network as files of its own, for a bundle.

    Attributes:
        tensors: name to float array, for ``model.safetensors``.
        config: for ``config.json``.
        loader: name of the backbone spec of the same plugin that reads a directory holding the two.
    """

    tensors: Mapping[str, np.ndarray] = field(repr=False)
    config: Mapping[str, Any]
    loader: str


class Backbone(ABC):
    """A pretrained network as feature extractor.

    A plugin's subclass writes `info` and `compute_features`, and where it can `layers`, `compute_feature_maps`,
    `torch_network`, `torch_classifier`, `tuned` and `network_files`. Callers use `features` and `feature_maps`, which check
    what goes in and comes out. A backbone is in evaluation mode and gives each image the same features whatever batch it
    comes in.
    """

    @property
    @abstractmethod
    def info(self) -> BackboneInfo:
        """What this backbone is."""

    @abstractmethod
    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Return pooled features of normalised inputs. Written by the plugin; callers use `features`."""

    def layers(self) -> Sequence[str]:
        """Return the names of the layers that feature maps can be taken from, in order of depth; empty if none."""
        return ()

    def compute_feature_maps(
        self, inputs: Float32[np.ndarray, "images 3 height width"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        """Return layer name to outputs, (images, channels, rows, columns) float32. Written by plugins that have `layers`."""
        raise BackboneError(f"backbone {self.info.name} has no feature maps")

    def torch_network(self) -> torch.nn.Module:
        """Return the network with its own classifier as a module from normalised inputs to logits, in evaluation mode.

        Each call returns a fresh copy that the caller may change. Raises `BackboneError` where it is no torch network.
        """
        raise BackboneError(f"backbone {self.info.name} is not a torch network")

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Return a fresh copy of the network whose classifier is the given linear layer on its pooled features."""
        raise BackboneError(f"backbone {self.info.name} is not a torch network")

    def torch_embedder(self) -> torch.nn.Module:
        """Return a fresh copy of the network as a module from normalised inputs to ``(features, maps)``, for export.

        Features are the pooled ones, (images, features); maps are what they were pooled from, (images, features, rows,
        columns), or None where there is no such thing. Raises `BackboneError` where it is no torch network.
        """
        raise BackboneError(f"backbone {self.info.name} is not a torch network")

    def tuned(
        self, network: torch.nn.Module, preprocess: Preprocess
    ) -> tuple[Backbone, Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        """Return a backbone with trained weights, and its classifier's weight and bias; for fine-tuning.

        Args:
            network: what `torch_classifier` returned, its weights changed since; not copied.
            preprocess: how images become its input; differs from this backbone's in mean and std at most.
        """
        raise BackboneError(f"backbone {self.info.name} cannot be fine-tuned: it does not take trained weights back")

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return the network as files, or None where it cannot be written that way.

        Args:
            classifier: weight and bias of a linear classifier on the pooled features to put in, or None for none.
            class_names: in the classifier's order.
        """
        return None

    def features(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images features"]:
        """Return pooled features of preprocessed images.

        Args:
            images: RGB pixels as `Preprocess.pixels` returns them, (images, height, width, 3), uint8.

        Returns:
            (images, feature_size), float32, finite.

        Raises:
            BackboneError: the images have another size than `info.preprocess` says, or the network returned another shape
                than it promised or numbers that are not finite.
        """
        inputs = self._inputs(images)
        features = self.compute_features(inputs)
        check_features(self.info, features, len(images))
        return features

    def feature_maps(
        self, images: UInt8[np.ndarray, "images height width 3"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        """Return each named layer's output for preprocessed images: (images, channels, rows, columns), float32.

        Raises:
            BackboneError: a layer is unknown, or the images have the wrong size.
        """
        known = self.layers()
        for layer in layers:
            if layer not in known:
                hint = did_you_mean(layer, known)
                raise BackboneError(f"backbone {self.info.name} has no layer {layer!r}{hint} it has: {', '.join(known)}")
        maps = self.compute_feature_maps(self._inputs(images), layers)
        for layer in layers:
            if layer not in maps or maps[layer].ndim != 4 or len(maps[layer]) != len(images):
                raise BackboneError(f"backbone {self.info.name} returned no (images, channels, rows, columns) for {layer!r}")
        return maps

    def _inputs(self, images: np.ndarray) -> np.ndarray:
        height, width = self.info.preprocess.image_size
        if images.ndim != 4 or images.shape[1:] != (height, width, 3) or images.dtype != np.uint8:
            raise BackboneError(
                f"backbone {self.info.name} takes uint8 (images, {height}, {width}, 3), got {images.dtype} {images.shape}"
            )
        return self.info.preprocess.normalise(images)


def check_features(info: BackboneInfo, features: object, images: int) -> None:
    """Raise `BackboneError` unless features are float32 (images, `info.feature_size`) and finite."""
    expected = (images, info.feature_size)
    if not isinstance(features, np.ndarray) or features.shape != expected or features.dtype != np.float32:
        found = f"{features.dtype} {features.shape}" if isinstance(features, np.ndarray) else type(features).__name__
        raise BackboneError(f"backbone {info.name} returned {found} features, expected float32 {expected}")
    if not np.isfinite(features).all():
        raise BackboneError(f"backbone {info.name} returned features that are not finite; are its weights whole?")
