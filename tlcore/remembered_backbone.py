"""Backbones that are built when an image has to be embedded; until then they answer what they said of themselves before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError, TlcoreError
from tlcore.machine.atomic import write_file
from tlcore.network_recipe import NetworkRecipe, learn_recipe
from tlcore.preprocess import Preprocess
from tlcore.version import __version__

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raised whenever what is remembered of the same backbone would be something else."""


@dataclass(frozen=True, kw_only=True)
class BackboneRequest:
    """Everything that decides which backbone is made.

    Attributes:
        maker: the plugin and its version, the spec's name, its argument and options.
        contents: `BackboneIdentity.contents`.
        weights: `BackboneIdentity.weights`.
        directory: the cache directory.
    """

    maker: tuple[str, ...]
    contents: tuple[str, ...]
    weights: Path | None
    directory: Path

    @property
    def file(self) -> Path:
        """Where what the backbone said of itself is kept."""
        text = json.dumps([_VERSION, __version__, self.maker, self.contents])
        return self.directory / "backbones" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def remembered(request: BackboneRequest, build: Callable[[], Backbone]) -> Backbone:
    """Return the backbone that was asked for: unbuilt where it is remembered, else built and then remembered."""
    found = _recall(request)
    if found is not None:
        return RememberedBackbone(*found, request.weights, build)
    backbone = build()
    recipe = learn_recipe(backbone, request.weights) if request.weights is not None else None
    record = {"info": _plain_info(backbone.info), "recipe": recipe.to_dict() if recipe is not None else None}
    # Where nothing may be written the next run builds it again; features themselves are refused there with an error.
    with suppress(OSError):
        write_file(request.file, json.dumps({"record": record, "digest": _digest(record)}).encode())
    return backbone


class RememberedBackbone(Backbone):
    """A backbone that is built when its network is first needed.

    Args:
        info: what it said of itself.
        recipe: how its files are made of its weights file; None where only it can make them.
        weights: that file.
        build: builds it.
    """

    def __init__(
        self, info: BackboneInfo, recipe: NetworkRecipe | None, weights: Path | None, build: Callable[[], Backbone]
    ) -> None:
        self._info = info
        self._recipe = recipe
        self._weights = weights
        self._build = build

    @property
    def info(self) -> BackboneInfo:
        """What it said of itself when it was last built."""
        return self._info

    @cached_property
    def _built(self) -> Backbone:
        built = self._build()
        if built.info != self._info:
            raise BackboneError(f"backbone {self._info.name} changed while it was in use; run the command again")
        return built

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        """Build it, and return its pooled features."""
        return self._built.compute_features(inputs)

    def layers(self) -> Sequence[str]:
        """Build it, and return its layers."""
        return self._built.layers()

    def compute_feature_maps(
        self, inputs: Float32[np.ndarray, "images 3 height width"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        """Build it, and return its layers' outputs."""
        return self._built.compute_feature_maps(inputs, layers)

    def torch_network(self) -> torch.nn.Module:
        """Build it, and return a copy of its network."""
        return self._built.torch_network()

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        """Build it, and return a copy with this classifier."""
        return self._built.torch_classifier(weight, bias)

    def torch_embedder(self) -> torch.nn.Module:
        """Build it, and return a copy for export."""
        return self._built.torch_embedder()

    def tuned(
        self, network: torch.nn.Module, preprocess: Preprocess
    ) -> tuple[Backbone, Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        """Build it, and return one with trained weights."""
        return self._built.tuned(network, preprocess)

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return the network as files, of its weights file where it is known how."""
        recipe, weights = self._recipe, self._weights
        if recipe is None or weights is None or not recipe.serves(len(class_names), has_classifier=classifier is not None):
            return self._built.network_files(classifier, class_names)
        return recipe.files(self._info, weights, classifier, class_names)


def _recall(request: BackboneRequest) -> tuple[BackboneInfo, NetworkRecipe | None] | None:
    """Return what is remembered; None where nothing is, or what was written is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, TlcoreError):
        document = json.loads(request.file.read_text(encoding="utf-8"))
        record = document["record"]
        if document["digest"] == _digest(record):
            recipe = NetworkRecipe.from_dict(record["recipe"]) if record["recipe"] is not None else None
            return _read_info(record["info"]), recipe
    return None


def _plain_info(info: BackboneInfo) -> dict[str, Any]:
    return {**asdict(info), "preprocess": info.preprocess.to_dict()}


def _read_info(values: Mapping[str, Any]) -> BackboneInfo:
    preprocess, names = Preprocess.from_dict(values["preprocess"]), tuple(values["class_names"])
    return BackboneInfo(**{**values, "preprocess": preprocess, "class_names": names})


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
