"""An ONNX file as something to evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.dataset import Sample
from tlcore.evaluation.model import Embedded, EvaluatedModel, ModelFacts
from tlcore.evaluation.rows import rows_engine
from tlcore.exported.classifier import Classifier
from tlcore.features.feature_cache import FeatureCache, FeatureKey
from tlcore.features.feature_set import Extraction
from tlcore.features.views import STANDARD
from tlcore.head import Head
from tlcore.progress import Progress
from tlcore.registry import Registry

_BATCH = 16


class OnnxModel(EvaluatedModel):
    """An ONNX file as something to evaluate; needs no torch.

    Args:
        classifier: the file.
        registry: where the head is found that label errors are looked for with.
    """

    def __init__(self, classifier: Classifier, registry: Registry) -> None:
        self._classifier = classifier
        self._registry = registry
        self._cache: FeatureCache | None = None

    @property
    def facts(self) -> ModelFacts:
        """What the file says of itself."""
        record = self._classifier.record
        return ModelFacts(
            name=str(self._classifier.path),
            kind="ONNX",
            classes=self._classifier.labels,
            preprocess=self._classifier.preprocess,
            temperature=record.temperature if record is not None else 1.0,
            provenance={**record.provenance, "precision": record.precision} if record is not None else {},
        )

    @property
    def split(self) -> Mapping[str, frozenset[str]]:
        """Split name to the images it was trained and measured on: an ONNX file does not say."""
        return {}

    @property
    def head(self) -> Head:
        """The linear head: the file does not say which it had."""
        return self._registry.head("linear")

    def embed(
        self, samples: Sequence[Sample], *, cache_directory: Path | None, strict: bool, progress: Progress, stage: str
    ) -> Embedded:
        """Compute features and logits of samples, or read them from the cache."""
        classes = len(self.facts.classes)
        engine = rows_engine(
            self._rows,
            name=self.facts.name,
            row_size=self._rows(np.zeros((1, *self.facts.preprocess.image_size, 3), np.uint8)).shape[1],
            preprocess=self.facts.preprocess,
            digest=self._classifier.digest,
            batch_size=_BATCH,
        )
        info = engine.backbone.info
        key = FeatureKey(
            weights_digest=info.weights_digest,
            preprocess=info.preprocess,
            feature_size=info.feature_size,
            precision=engine.precision,
        )
        self._cache = FeatureCache(cache_directory, key) if cache_directory is not None else None
        found = Extraction(engine, {STANDARD: self._cache}).run(samples, strict=strict, progress=progress, stage=stage)
        return Embedded(
            samples=found.samples,
            digests=found.digests,
            logits=np.ascontiguousarray(found.features[:, :classes]),
            features=np.ascontiguousarray(found.features[:, classes:]) if self._has_features else None,
            left_out=found.left_out,
        )

    def cached_features(self, digests: Sequence[str]) -> Mapping[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those the cache holds."""
        if self._cache is None or not self._has_features:
            return {}
        return {digest: row[len(self.facts.classes) :] for digest, row in self._cache.read(digests).items()}

    def logits(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return logits of images as `Preprocess.pixels` returns them."""
        return self._classifier.run(images, ("logits",))["logits"].astype(np.float32)

    def activation_maps(
        self, images: UInt8[np.ndarray, "images height width 3"]
    ) -> Float32[np.ndarray, "images rows columns"] | None:
        """Return the class activation maps of the likeliest classes, or None where there are none."""
        if "activation_map" not in self._classifier.outputs:
            return None
        return self._classifier.run(images, ("activation_map",))["activation_map"].astype(np.float32)

    @property
    def _has_features(self) -> bool:
        return "features" in self._classifier.outputs

    def _rows(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images row"]:
        """Return one row per image: its logits, then its features where the file gives them."""
        names = ("logits", "features") if self._has_features else ("logits",)
        found = self._classifier.run(images, names)
        return np.concatenate([found[name] for name in names], axis=1, dtype=np.float32)
