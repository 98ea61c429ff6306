"""From images to pooled features: decode in parallel, embed beside it, keep each row for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.audit.table import Inspections
from tlcore.backbone import Backbone
from tlcore.dataset import LeftOut, Sample
from tlcore.engines.engine import OWN_BATCH, Engine, own_engine
from tlcore.errors import ImageError, TlcoreError
from tlcore.features.decoding import Decoder, decode_all
from tlcore.features.feature_cache import FeatureCache
from tlcore.features.views import STANDARD, View
from tlcore.head import HeadData
from tlcore.progress import Progress, ProgressEvent, silent

BATCH_SIZE = OWN_BATCH

_KEEP_EVERY = 32
"""Rows after which they go to the cache, where the engine's own batches are smaller."""


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """The pooled features of some samples, in their order, unreadable ones left out.

    Attributes:
        samples: those that could be read.
        digests: SHA-256 of each one's encoded bytes.
        features: (images, features), float32.
        views: the features of each view to learn from, each (images, features) float32; none where `features` are that.
        left_out: those that could not be read, and why.
    """

    samples: tuple[Sample, ...]
    digests: tuple[str, ...]
    features: Float32[np.ndarray, "images features"] = field(repr=False)
    views: tuple[Float32[np.ndarray, "images features"], ...] = field(default=(), repr=False)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def labels(self) -> Int64[np.ndarray, " images"]:
        """Label of each image, (images,), int64."""
        return np.array([sample.label for sample in self.samples], np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return tuple(sample.name for sample in self.samples)

    @property
    def examples(self) -> HeadData:
        """What a head learns from: every view to learn from of every image."""
        return HeadData.of_views(self.views or (self.features,), self.labels)

    def keep(self, columns: Sequence[int]) -> FeatureSet:
        """Return the same samples with some of the features."""
        chosen = np.array(columns, np.int64)
        kept = tuple(view[:, chosen] for view in self.views)
        return replace(self, features=np.ascontiguousarray(self.features[:, chosen]), views=kept)

    def select(self, samples: Sequence[Sample]) -> FeatureSet:
        """Return the part that belongs to some samples, in their order, found by their names and with their labels."""
        position = {sample.name: index for index, sample in enumerate(self.samples)}
        reasons = {entry.name: entry for entry in self.left_out}
        kept = tuple(sample for sample in samples if sample.name in position)
        rows = np.array([position[sample.name] for sample in kept], np.int64)
        return FeatureSet(
            samples=kept,
            digests=tuple(self.digests[row] for row in rows),
            features=self.features[rows],
            views=tuple(view[rows] for view in self.views),
            left_out=tuple(reasons[sample.name] for sample in samples if sample.name in reasons),
        )


def extract_features(
    samples: Sequence[Sample],
    backbone: Backbone,
    *,
    cache: FeatureCache | None = None,
    strict: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
    stage: str = "features",
) -> FeatureSet:
    """Compute the pooled features of samples with the backbone's own code, or read them from the cache.

    `tlcore.features.extraction.Extractor` does the same on the quickest engine, and of several views.

    Args:
        samples: what to embed; equal images are embedded once.
        backbone: by what.
        cache: where rows are kept; None computes everything and keeps nothing.
        strict: raise on the first unreadable image instead of leaving it out.
        batch_size: images per call of the backbone; batches are padded to it, so that a row does not depend on how many
            images were computed beside it.
        progress: told after each batch; an exception it raises stops the work, and finished batches stay in the cache.
        stage: the name progress events carry.

    Raises:
        ImageError: an image is unreadable and `strict` is set.
    """
    if batch_size < 1:
        raise TlcoreError(f"batch_size must be at least 1, got {batch_size}")
    extraction = Extraction(own_engine(backbone, batch_size), {STANDARD: cache})
    return extraction.run(samples, strict=strict, progress=progress, stage=stage)


class Extraction:
    """The way of some samples through decoder, engine and cache.

    Args:
        engine: what computes.
        caches: each view that is wanted, and where its rows are kept, or None.
        testing: the views whose mean `FeatureSet.features` are; all by default.
        inspections: told of every image, so that the audit need not decode it again.
    """

    def __init__(
        self,
        engine: Engine,
        caches: Mapping[View, FeatureCache | None],
        *,
        testing: Sequence[View] | None = None,
        inspections: Inspections | None = None,
    ) -> None:
        self._engine = engine
        self._caches = caches
        self._testing = tuple(testing if testing is not None else caches)
        self._inspections = inspections
        self._rows: dict[View, dict[str, np.ndarray]] = {view: {} for view in caches}
        self._fresh: dict[View, dict[str, np.ndarray]] = {view: {} for view in caches}
        self._pending: dict[tuple[str, View], np.ndarray] = {}

    def run(self, samples: Sequence[Sample], *, strict: bool, progress: Progress, stage: str) -> FeatureSet:
        """Return the features of samples; see `extract_features`."""
        kept: list[tuple[Sample, str]] = []
        left_out: list[LeftOut] = []
        decoder = Decoder(self._engine, self._caches, self._inspections)
        progress(ProgressEvent(stage, 0, len(samples)))
        for done, found in enumerate(decode_all(samples, decoder), 1):
            if self._inspections is not None and found.inspected is not None:
                self._inspections.add([found.inspected])
            if found.failure and strict:
                raise ImageError(found.failure)
            if found.failure:
                left_out.append(LeftOut(found.sample.name, found.failure))
                continue
            kept.append((found.sample, found.digest))
            self._take(found.digest, found.pixels, found.rows)
            if self._compute(self._engine.batch_size) or done % _KEEP_EVERY == 0:
                progress(ProgressEvent(stage, done, len(samples)))
        self._compute(1)
        self._keep(1)
        arrays = {view: self._gather(kept, view) for view in self._caches}
        for cache in self._caches.values():
            if cache is not None:
                cache.close()
        progress(ProgressEvent(stage, len(samples), len(samples)))
        return FeatureSet(
            samples=tuple(sample for sample, _ in kept),
            digests=tuple(digest for _, digest in kept),
            features=self._mean(arrays),
            views=tuple(arrays.values()) if len(arrays) > 1 else (),
            left_out=tuple(left_out),
        )

    def _take(self, digest: str, pixels: Mapping[View, np.ndarray], rows: Mapping[View, np.ndarray]) -> None:
        """Take what the decoder found: rows where it also computed them, else pixels to compute."""
        for view, row in rows.items():
            self._fresh[view][digest] = row
        self._keep(_KEEP_EVERY)
        for view, shown in pixels.items():
            self._pending[digest, view] = shown

    def _compute(self, least: int) -> bool:
        """Compute and keep what is pending in whole batches, and a last part of at least `least`; tell whether any was."""
        computed = False
        while len(self._pending) >= max(1, least):
            part = list(self._pending)[: self._engine.batch_size]
            features = self._engine.features(np.stack([self._pending.pop(key) for key in part]))
            for (digest, view), row in zip(part, features, strict=True):
                self._fresh[view][digest] = row
            self._keep(1)
            computed = True
        return computed

    def _keep(self, least: int) -> None:
        """Put fresh rows where they stay, once there are `least` of a view."""
        for view, fresh in self._fresh.items():
            if len(fresh) < max(1, least):
                continue
            cache = self._caches[view]
            if cache is None:
                self._rows[view].update(fresh)
            else:
                cache.write(fresh)
            fresh.clear()

    def _gather(self, kept: Sequence[tuple[Sample, str]], view: View) -> np.ndarray:
        """Return a view's rows in the samples' order; rows the cache does not hold whole are computed again."""
        features = np.empty((len(kept), self._engine.backbone.info.feature_size), np.float32)
        places: dict[str, list[int]] = {}
        for index, (_, digest) in enumerate(kept):
            places.setdefault(digest, []).append(index)
        missing = dict.fromkeys(places)
        cache = self._caches[view]
        for digest, row in cache.rows(places) if cache is not None else self._rows[view].items():
            features[places[digest]] = row
            missing.pop(digest)
        if not missing:
            return features
        again = [kept[places[digest][0]][0] for digest in missing]
        found = Extraction(self._engine, {view: None}).run(again, strict=True, progress=silent, stage="")
        if found.digests != tuple(missing):
            raise ImageError("images changed while their features were computed; run again")
        computed = dict(zip(missing, found.features, strict=True))
        for digest, row in (cache.write(computed) if cache is not None else computed).items():
            features[places[digest]] = row
        return features

    def _mean(self, arrays: Mapping[View, np.ndarray]) -> np.ndarray:
        chosen = [arrays[view] for view in self._testing]
        mean: np.ndarray = chosen[0] if len(chosen) == 1 else sum(chosen[1:], chosen[0]) / np.float32(len(chosen))
        return mean
