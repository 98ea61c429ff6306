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
from tlcore.features.grid import GridBackbone
from tlcore.features.layered import KEPT, LayeredBackbone, choose_layers
from tlcore.features.relevance import relevant_features
from tlcore.progress import Progress

SPLITS = ("train", "validation", "test")


class Embedding:
    """The features of a dataset's images.

    Args:
        backbone: the network.
        options: how features are computed.
        layers: of how many of its layers they are; None for its pooled features alone.
        grid: of how many cells along each side they are; None for those of the whole image.
        cache_directory: where rows and inspections are kept; None keeps none.
        strict: raise on the first unreadable image instead of leaving it out.
        audit: whether images are inspected.
        progress: told how far it is.

    Raises:
        OptionError: engine, views, number of layers or grid do not exist.
        BackboneError: the network has no layers, or features that are not the mean of maps.
    """

    def __init__(
        self,
        backbone: Backbone,
        options: FeatureOptions,
        *,
        layers: int | None,
        grid: int | None,
        cache_directory: Path | None,
        strict: bool,
        audit: bool,
        progress: Progress,
    ) -> None:
        self.backbone = GridBackbone(backbone, grid) if grid is not None else backbone
        self._grid = grid
        self._own_size = backbone.info.feature_size
        self._options = options
        self._layers = choose_layers(backbone, layers) if layers is not None else ()
        self._directory = cache_directory
        self._strict = strict
        self._audit = audit
        self._progress = progress

    def look(self, dataset: Dataset) -> InspectionTable | None:
        """Embed every image of a dataset; returns their inspections where they will be audited."""
        whole = LayeredBackbone(self.backbone, self._layers) if self._layers else self.backbone
        samples, directory = dataset.samples, self._directory
        extractor = Extractor(whole, self._options, samples=samples, cache_directory=directory, progress=self._progress)
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
        columns = relevant_features(examples.features, examples.labels, len(dataset.class_names), KEPT * self._own_size)
        self.backbone = LayeredBackbone(self.backbone, self._layers, columns)
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
        grid = {"grid": self._grid} if self._grid is not None else {}
        return {**self.extractor.record, **layers, **grid}
