"""Judging a backbone and a head on a part of a dataset, by cross-validation on cached features."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlcore.comparison.backbone_cost import BackboneCost, cost_of
from tlcore.comparison.domain_distance import DomainDistance, domain_distance
from tlcore.comparison.judgement import Judgement, JudgementStore, judgement_key
from tlcore.cross_validation import cross_validated_probabilities
from tlcore.data.subset import beginning, nested_order
from tlcore.dataset import LeftOut, Sample
from tlcore.deadline import Deadline
from tlcore.features import FeatureSet
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.progress import Progress
from tlcore.provenance import plain_options
from tlcore.registry import Registry
from tlcore.version import __version__


@dataclass(frozen=True)
class Candidate:
    """A backbone and a head, by the names they were given by."""

    backbone: str
    head: str


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """How candidates are judged.

    Attributes:
        folds: of the cross-validation.
        validation: share of each fold's training images to choose a head's settings by; on parts of the data there is none,
            and a head has the settings it has without: choosing anew on each part costs more than judging all on the whole.
        seed: of parts, folds and fits.
        engine: what runs networks; see `tlcore.engines`.
        backbone_options, head_options: option name to value, for every backbone and every head.
    """

    folds: int = 5
    validation: float = 0.15
    seed: int = 0
    engine: str = "auto"
    backbone_options: Mapping[str, object] = field(default_factory=dict)
    head_options: Mapping[str, object] = field(default_factory=dict)


class Judge:
    """Judges candidates on parts of one dataset. Only the backbone at work is held in memory.

    Args:
        samples: of the dataset, all of them.
        class_names: in label order.
        together: sets of sample names that must not straddle folds.
        reference: images that the distance of the data is taken to; none takes no distance.
        settings: how.
        registry: where names are looked up.
        cache_directory: where features, judgements and costs are kept; None keeps none.
        deadline: after which `judge` raises `tlcore.deadline.OutOfTimeError`.
        progress: told how far it is.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        class_names: Sequence[str],
        *,
        together: Sequence[Sequence[str]],
        reference: Sequence[Sample],
        settings: JudgeSettings,
        registry: Registry,
        cache_directory: Path | None,
        deadline: Deadline,
        progress: Progress,
    ) -> None:
        self._ordered = nested_order(samples, settings.seed)
        self._class_names = tuple(class_names)
        self._together = tuple(tuple(names) for names in together)
        self._reference = tuple(reference)
        self._settings = settings
        self._registry = registry
        self._directory = cache_directory
        self._store = JudgementStore(cache_directory)
        self._progress = deadline.watch(progress)
        self._deadline = deadline
        self._at_work: tuple[str, Extractor] | None = None
        self._addresses: dict[str, str] = {}
        self.features: dict[tuple[str, float], FeatureSet] = {}
        self.costs: dict[str, BackboneCost] = {}
        self.distances: dict[str, DomainDistance] = {}
        self.engines: dict[str, str] = {}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Images that could not be read, of the largest part that was embedded."""
        return max((found.left_out for found in self.features.values()), key=len, default=())

    def judge(self, candidate: Candidate, share: float) -> Judgement:
        """Judge a candidate on a share of the data, or recall what was judged before.

        Raises:
            OutOfTimeError: the time is over; features computed so far are kept.
            TlcoreError: the backbone cannot be made, or the head cannot be fitted.
        """
        self._deadline.check()
        found = self._embed(candidate.backbone, share)
        validation = self._settings.validation if share == 1 else 0.0
        key = self._key(candidate, found, validation)
        known = self._store.read(key)
        if known is not None and len(known.correct) == len(found.samples):
            return known
        judgement = self._cross_validate(candidate, found, validation)
        self._store.write(key, judgement)
        return judgement

    def _embed(self, backbone: str, share: float) -> FeatureSet:
        """Return the features of a share of the data; the cost and the distance of the backbone come with the first."""
        if (backbone, share) in self.features:
            return self.features[backbone, share]
        samples = beginning(self._ordered, share)
        extractor = self._extractor(backbone)
        found = extractor.extract(samples, progress=self._progress, stage=f"{backbone}: features")
        self.features[backbone, share] = found
        if backbone not in self.costs:
            engine = extractor.choice.engine
            info = engine.backbone.info
            self._addresses[backbone] = f"{info.weights_digest} {info.preprocess.digest} {engine.precision}"
            self.costs[backbone] = cost_of(engine, self._directory)
            self.engines[backbone] = str(extractor.choice)
        if self._reference:
            known = extractor.extract(self._reference, progress=self._progress, stage=f"{backbone}: reference")
            self.distances[backbone] = domain_distance(found.features, known.features)
        return found

    def _extractor(self, backbone: str) -> Extractor:
        if self._at_work is not None and self._at_work[0] == backbone:
            return self._at_work[1]
        made = self._registry.backbone(backbone, self._settings.backbone_options, cache_directory=self._directory)
        options = FeatureOptions(engine=self._settings.engine)
        extractor = Extractor(made, options, samples=self._ordered, cache_directory=self._directory, progress=self._progress)
        self._at_work = (backbone, extractor)
        return extractor

    def _cross_validate(self, candidate: Candidate, found: FeatureSet, validation: float) -> Judgement:
        started = time.perf_counter()
        probabilities = cross_validated_probabilities(
            found.samples,
            found.features,
            self._registry.head(candidate.head, self._settings.head_options),
            self._class_names,
            folds=min(self._settings.folds, len(found.samples)),
            validation=validation,
            seed=self._settings.seed,
            together=self._together,
            progress=self._progress,
        )
        true = np.clip(probabilities[np.arange(len(found.labels)), found.labels].astype(np.float64), 1e-12, 1.0)
        return Judgement(
            correct=probabilities.argmax(axis=1) == found.labels,
            log_loss=float(-np.log(true).mean()),
            seconds=time.perf_counter() - started,
        )

    def _key(self, candidate: Candidate, found: FeatureSet, validation: float) -> str:
        """Return a digest of all that a judgement depends on."""
        content = hashlib.sha256()
        for sample, digest in zip(found.samples, found.digests, strict=True):
            content.update(f"{digest} {sample.label} {sample.group} {sample.name}\n".encode("utf-8", "backslashreplace"))
        head = self._registry.resolve("head", candidate.head).offer
        settings = self._settings
        return judgement_key(
            [
                content.hexdigest(),
                json.dumps([self._class_names, self._together]),
                self._addresses[candidate.backbone],
                f"{head.plugin.distribution}:{head.spec.name} {head.plugin.version}",
                json.dumps(plain_options(settings.head_options), sort_keys=True),
                f"{settings.folds} {validation} {settings.seed} {__version__}",
            ]
        )
