"""A dataset's features for training, computed in the same pass over its images that inspects them for the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlcore.audit.inspection_cache import opened_cache
from tlcore.audit.table import Inspections, InspectionTable
from tlcore.backbone import Backbone
from tlcore.dataset import Dataset
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.features.feature_set import FeatureSet
from tlcore.features.layered import KEPT, LayeredBackbone, choose_layers
from tlcore.features.pyramid import choose_pyramid
from tlcore.features.relevance import relevant_features
from tlcore.progress import Progress

SPLITS = ("train", "validation", "test")


class Embedding:
    """The features of a dataset's images.

    Args:
        backbone: the network.
        options: how features are computed.
        layers: of how many of its layers they are; None for its pooled features alone.
        pyramid: of how many levels they are, the whole image counted; None for those of the whole image.
        cache_directory: where rows and inspections are kept; None keeps none.
        strict: raise on the first unreadable image instead of leaving it out.
        audit: whether images are inspected.
        progress: told how far it is.

    Raises:
        OptionError: engine, views, or number of layers or levels do not exist.
        BackboneError: the network has no layers, or no maps fine enough.
    """

    def __init__(
        self,
        backbone: Backbone,
        options: FeatureOptions,
        *,
        layers: int | None,
        pyramid: int | None,
        cache_directory: Path | None,
        strict: bool,
        audit: bool,
        progress: Progress,
    ) -> None:
        self._own = backbone
        self._options = options
        self._layers = choose_layers(backbone, layers) if layers is not None else ()
        levels = choose_pyramid(backbone, pyramid) if pyramid is not None else ()
        parts = self._layers or levels
        self.backbone = LayeredBackbone(backbone, parts) if parts else backbone
        self._directory = cache_directory
        self._strict = strict
        self._audit = audit
        self._progress = progress

    def look(self, dataset: Dataset) -> InspectionTable | None:
        """Embed every image of a dataset; returns their inspections where they will be audited."""
        samples, directory = dataset.samples, self._directory
        extractor = Extractor(
            self.backbone, self._options, samples=samples, cache_directory=directory, progress=self._progress
        )
        with opened_cache(directory if self._audit else None) as cache:
            inspections = Inspections(cache) if self._audit else None
            self._features = extractor.extract(
                samples, learning=True, strict=self._strict, inspections=inspections, progress=self._progress
            )
            if inspections is not None:
                inspections.keep()
        self.extractor = extractor
        return inspections.table if inspections is not None else None

    def divide(self, dataset: Dataset) -> dict[str, FeatureSet]:
        """Return the features of each split. Of several layers, those relevant on the training images are kept."""
        parts = {name: self._features.select(dataset.splits.get(name, ())) for name in SPLITS}
        if not self._layers or not parts["train"].samples:
            return parts
        examples = parts["train"].examples
        kept = KEPT * self._own.info.feature_size
        columns = relevant_features(examples.features, examples.labels, len(dataset.class_names), kept)
        self.backbone = LayeredBackbone(self._own, self._layers, columns)
        return {name: part.keep(columns) for name, part in parts.items()}

    def by_tuned(self, backbone: Backbone, features: Mapping[str, FeatureSet]) -> dict[str, FeatureSet]:
        """Take the fine-tuned network in place of the one before: the same splits, with its features where they measure."""
        measuring = {name: part for name, part in features.items() if name != "train"}
        samples = [sample for part in measuring.values() for sample in part.samples]
        self.backbone = backbone
        self.extractor = Extractor(
            backbone, self._options, samples=samples, cache_directory=self._directory, progress=self._progress
        )
        found = {
            name: replace(
                self.extractor.extract(part.samples, strict=self._strict, progress=self._progress), left_out=part.left_out
            )
            for name, part in measuring.items()
        }
        return {**features, **found}

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle says of how its features are computed, JSON-ready."""
        layers = {"layers": self.backbone.record} if isinstance(self.backbone, LayeredBackbone) else {}
        return {**self.extractor.record, **layers}
