"""One job's way from images to features: engine, views, layers and cache settled once, used for every part of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from tlcore.audit.table import Inspections
from tlcore.backbone import Backbone
from tlcore.dataset import Sample
from tlcore.engines import Choice, EngineRequest, choose_engine
from tlcore.errors import ImageError
from tlcore.features.cache_settings import cache_settings
from tlcore.features.cache_store import evict
from tlcore.features.feature_cache import FeatureCache, FeatureKey
from tlcore.features.feature_set import Extraction, FeatureSet
from tlcore.features.views import View, Views, parse_views
from tlcore.images import decode_image, read_image
from tlcore.progress import Progress, ProgressEvent, silent


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """How features are computed.

    Attributes:
        engine: ``"auto"``, ``"onnx"``, ``"openvino"`` or ``"torch"``; see `tlcore.engines`.
        views: ``"one"``, ``"flip"`` or ``"crops:N"``; see `tlcore.features.views.parse_views`.
    """

    engine: str = "auto"
    views: str = "one"


class Extractor:
    """Computes the features of samples, or reads them from the cache.

    Args:
        backbone: by what.
        options: how.
        samples: all that the job has; how many they are decides whether a quicker engine is worth preparing.
        cache_directory: where rows, graphs and measurements are kept; None keeps none.
        progress: told while an engine is chosen.

    Raises:
        OptionError: engine or views do not exist.

    Examples:
        >>> from tlcore import Registry
        >>> backbone = Registry().backbone("mini")
        >>> samples = Registry().dataset("digits").samples[:20]
        >>> extractor = Extractor(backbone, FeatureOptions(), samples=samples)
        >>> extractor.extract(samples).features.shape
        (20, 768)
    """

    def __init__(
        self,
        backbone: Backbone,
        options: FeatureOptions,
        *,
        samples: Sequence[Sample],
        cache_directory: Path | None = None,
        progress: Progress = silent,
    ) -> None:
        self._backbone = backbone
        self._options = options
        self._samples = samples
        self._directory = cache_directory
        self._progress = progress
        self.views: Views = parse_views(options.views)

    @cached_property
    def choice(self) -> Choice:
        """The engine; chosen, and where need be measured, when it is first asked for."""
        self._progress(ProgressEvent("engine", 0, 1))
        request = EngineRequest(
            backbone=self._backbone,
            asked=self._options.engine,
            images=len(self._samples) * len(self.views.learning),
            directory=self._directory,
            photos=self._photos,
        )
        chosen = choose_engine(request)
        self._progress(ProgressEvent("engine", 1, 1))
        return chosen

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle says of how its features were computed, JSON-ready."""
        return {"engine": self.choice.record, "views": self.views.name}

    def extract(
        self,
        samples: Sequence[Sample],
        *,
        learning: bool = False,
        strict: bool = False,
        inspections: Inspections | None = None,
        progress: Progress = silent,
        stage: str = "features",
    ) -> FeatureSet:
        """Return the features of samples; see `extract_features`.

        Args:
            samples: what to embed.
            learning: also compute the views that only training uses.
            strict: raise on the first unreadable image instead of leaving it out.
            inspections: told of every image, in order, so that an audit need not decode it again.
            progress: told after each batch.
            stage: the name progress events carry.
        """
        wanted = self.views.all if learning else self.views.testing
        caches = self._caches(wanted)
        extraction = Extraction(self.choice.engine, caches, testing=self.views.testing, inspections=inspections)
        found = extraction.run(samples, strict=strict, progress=progress, stage=stage)
        if self._directory is not None:
            evict(self._directory, cache_settings().limit)
        return found

    def known(self, digests: Sequence[str]) -> dict[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those of images that the cache holds, without any of the images."""
        caches = [cache for cache in self._caches(self.views.testing).values() if cache is not None]
        found = [cache.read(digests) for cache in caches]
        if not found:
            return {}
        return {
            digest: np.asarray(np.mean([rows[digest] for rows in found], axis=0, dtype=np.float32))
            for digest in found[0]
            if all(digest in rows for rows in found)
        }

    def _caches(self, views: Sequence[View]) -> Mapping[View, FeatureCache | None]:
        directory, info = self._directory, self._backbone.info
        if directory is None:
            return dict.fromkeys(views)
        storage = cache_settings().storage
        return {
            view: FeatureCache(
                directory,
                FeatureKey(
                    weights_digest=info.weights_digest,
                    preprocess=info.preprocess,
                    feature_size=info.feature_size,
                    precision=self.choice.engine.precision,
                    view=view.name,
                    storage=storage,
                ),
            )
            for view in views
        }

    def _photos(self, count: int) -> np.ndarray:
        """Return the pixels of the first `count` samples that can be read."""
        found: list[np.ndarray] = []
        for sample in self._samples:
            if len(found) == count:
                break
            try:
                image = decode_image(read_image(sample.image, sample.name), sample.name)
            except ImageError:
                continue  # told where features are computed
            found.append(self._backbone.info.preprocess.pixels(image))
        height, width = self._backbone.info.preprocess.image_size
        return np.stack(found) if found else np.zeros((0, height, width, 3), np.uint8)
