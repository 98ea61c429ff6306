"""A bundle as something to evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.bundle import Bundle
from tlcore.dataset import Sample
from tlcore.errors import BackboneError, ExportError, HeadError
from tlcore.evaluation.model import Embedded, EvaluatedModel, ModelFacts
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.head import Head
from tlcore.progress import Progress

if TYPE_CHECKING:
    from tlcore.export.network import ExportNetwork


class BundleModel(EvaluatedModel):
    """A bundle as something to evaluate; its features are those that training left in the cache.

    Args:
        bundle: it.
        engine: what runs its network, ``"auto"``, ``"onnx"``, ``"openvino"`` or ``"torch"``.
    """

    def __init__(self, bundle: Bundle, engine: str) -> None:
        self._bundle = bundle
        self._engine = engine
        self._extractor: Extractor | None = None

    @property
    def facts(self) -> ModelFacts:
        """What the bundle says of itself."""
        record = self._bundle.record
        return ModelFacts(
            name=str(self._bundle.path),
            kind="bundle",
            classes=record.classes,
            preprocess=record.preprocess,
            temperature=record.temperature,
            provenance={
                name: getattr(record, name)
                for name in ("backbone", "head", "dataset", "options", "seed", "versions", "plugins")
            },
        )

    @cached_property
    def split(self) -> Mapping[str, frozenset[str]]:
        """Split name to the images it was trained and measured on, as it recorded them."""
        return {name: frozenset(digest for _, digest in entries) for name, entries in self._bundle.split.items()}

    @property
    def head(self) -> Head:
        """A head of the bundle's kind and options."""
        record = self._bundle.record.head
        return self._bundle.registry.head(record["name"], record["options"])

    def embed(
        self, samples: Sequence[Sample], *, cache_directory: Path | None, strict: bool, progress: Progress, stage: str
    ) -> Embedded:
        """Compute features and logits of samples, or read them from the cache."""
        if self._extractor is None:
            options = FeatureOptions(engine=self._engine, views=self._bundle.views)
            self._extractor = Extractor(
                self._bundle.network, options, samples=samples, cache_directory=cache_directory, progress=progress
            )
        found = self._extractor.extract(samples, strict=strict, progress=progress, stage=stage)
        logits = self._bundle.head.logits(found.features) if found.samples else np.empty((0, len(self.facts.classes)), "f4")
        return Embedded(
            samples=found.samples,
            digests=found.digests,
            logits=logits,
            features=found.features,
            left_out=found.left_out,
        )

    def cached_features(self, digests: Sequence[str]) -> Mapping[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those the cache holds."""
        return self._extractor.known(digests) if self._extractor is not None else {}

    def logits(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return logits of images as `Preprocess.pixels` returns them."""
        return self._bundle.logits(images)

    def activation_maps(
        self, images: UInt8[np.ndarray, "images height width 3"]
    ) -> Float32[np.ndarray, "images rows columns"] | None:
        """Return the class activation maps of the likeliest classes, or None where there are none."""
        import torch

        if self._mapping_network is None:
            return None
        with torch.inference_mode():
            maps: np.ndarray = self._mapping_network(torch.from_numpy(images))[3].numpy()
        return maps

    @cached_property
    def _mapping_network(self) -> ExportNetwork | None:
        """The network that also returns activation maps; None where there are none to return."""
        from tlcore.export.network import make_network

        try:
            network = make_network(self._bundle, activation_map=True)
        except (BackboneError, HeadError, ExportError):
            return None
        return network if network.activation_map else None
