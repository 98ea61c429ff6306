"""Comparing backbones and heads on a dataset: accuracy with intervals, paired tests, costs, and which one to take."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tlcore.comparison.backbone_cost import BackboneCost
from tlcore.comparison.domain_distance import DomainDistance
from tlcore.comparison.halving import Halving, halve, standing, useful_shares
from tlcore.comparison.judge import Candidate, Judge, JudgeSettings
from tlcore.comparison.judgement import Judgement
from tlcore.comparison.recommendation import Limits, Ranked, quickest_of_the_best
from tlcore.data.preparation import Preparation, PreparedData, admit, divide
from tlcore.data.splits import SplitFractions
from tlcore.dataset import LeftOut, Sample
from tlcore.deadline import Deadline
from tlcore.errors import DatasetError, OptionError
from tlcore.images import IMAGE_SUFFIXES, FileImage
from tlcore.mcnemar import McNemar, compare_answers
from tlcore.metrics import Share
from tlcore.progress import Progress, silent
from tlcore.registry import Registry


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What to compare and how.

    Attributes:
        backbones, heads: names as `Registry.resolve` takes them; every backbone is tried with every head.
        minutes: after which it stops; small parts of the data then thin the candidates out first. None judges all on all.
        limits: what the recommended one may cost.
        reference: folder of photos like those the backbones were trained on; the distance of the data is taken to them.
        dataset_options: option name to value, for the dataset.
        settings: how candidates are judged.
        audit: look for copies first, and keep them in one fold.
        exclude: exclusion list of images to leave out.
    """

    backbones: tuple[str, ...]
    heads: tuple[str, ...] = ("linear",)
    minutes: float | None = None
    limits: Limits = field(default_factory=Limits)
    reference: Path | None = None
    dataset_options: Mapping[str, object] = field(default_factory=dict)
    settings: JudgeSettings = field(default_factory=JudgeSettings)
    audit: bool = True
    exclude: Path | None = None

    def __post_init__(self) -> None:
        for kind, names in (("backbone", self.backbones), ("head", self.heads)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if not names or not all(names):
                raise OptionError(f"name a {kind} or more to compare, separated by commas")
            if twice:
                raise OptionError(f"{kind} {twice[0]!r} is named twice; name it once")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"minutes must be above 0, got {self.minutes:g}")
        if self.settings.folds < 2:
            raise OptionError(f"folds must be at least 2, got {self.settings.folds}")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One candidate's result.

    Attributes:
        backbone, head: its names.
        share: of the images it was judged on, in (0, 1].
        images: how many that are.
        accuracy: by cross-validation.
        log_loss: likewise.
        against_best: the test against the most accurate judged on the same images; None for itself and where there is none.
        cost: of the backbone, here.
        distance: of the data from the reference photos; None where none were given.
        engine: what computed its features.
    """

    backbone: str
    head: str
    share: float
    images: int
    accuracy: Share
    log_loss: float
    against_best: McNemar | None
    cost: BackboneCost
    distance: DomainDistance | None
    engine: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "share": self.share,
            "images": self.images,
            "accuracy": self.accuracy.to_dict(),
            "log_loss": self.log_loss,
            "against_best": self.against_best.to_dict() if self.against_best else None,
            "cost": self.cost.to_dict(),
            "distance": self.distance.to_dict() if self.distance else None,
            "engine": self.engine,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What comparing gave.

    Attributes:
        dataset: its name.
        classes: how many it has.
        images: how many it has, those left out included.
        folds: of the cross-validation.
        rows: the candidates, those judged on most images first, then the most accurate.
        limits: what the recommended one may cost.
        recommended: position in `rows` of the one to take; None where none is within the limits.
        complete: False where the time was over before all were judged.
        left_out: images that could not be read.
        notes: what a person should know, one line each.
        seconds: wall time.
    """

    dataset: str
    classes: int
    images: int
    folds: int
    rows: tuple[Compared, ...]
    limits: Limits
    recommended: int | None
    complete: bool
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        return {
            "dataset": self.dataset,
            "classes": self.classes,
            "images": self.images,
            "folds": self.folds,
            "rows": [row.to_dict() for row in self.rows],
            "limits": asdict(self.limits),
            "recommended": self.recommended,
            "complete": self.complete,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def compare(
    dataset: str,
    options: CompareOptions,
    *,
    registry: Registry,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Compare backbones and heads by cross-validation on shared cached features.

    What was judged is remembered in the cache directory beside the features: a killed comparison goes on where it was, and
    one more backbone costs only itself.

    Args:
        dataset: a dataset's name, or a path to a folder of photos; its splits are put together.
        options: what to compare, and how.
        registry: where names are looked up.
        cache_directory: where features and results are kept between runs; None keeps none.
        progress: told how far it is.

    Raises:
        TlcoreError: one of its kinds, naming what to mend.

    Examples:
        >>> from tlcore import Registry
        >>> options = CompareOptions(backbones=("mini",), heads=("prototype",), audit=False)
        >>> found = compare("digits", options, registry=Registry())  # doctest: +SKIP
        >>> print(found.rows[0].accuracy)  # doctest: +SKIP
        91.5 % [90.1, 92.7]
    """
    started = time.perf_counter()
    deadline = Deadline(60 * options.minutes if options.minutes is not None else None)
    for kind, names in (("backbone", options.backbones), ("head", options.heads)):
        for name in names:
            registry.resolve(kind, name)
    reference = _photos(options.reference) if options.reference is not None else ()
    prepared = _prepare(dataset, options, registry, cache_directory, progress)
    samples = prepared.dataset.samples
    judge = Judge(
        samples,
        prepared.dataset.class_names,
        together=prepared.duplicate_sets,
        reference=reference,
        settings=options.settings,
        registry=registry,
        cache_directory=cache_directory,
        deadline=deadline,
        progress=progress,
    )
    candidates = [Candidate(backbone, head) for backbone in options.backbones for head in options.heads]
    shares = useful_shares(len(samples), len(candidates)) if options.minutes is not None else (1.0,)
    halving = halve(candidates, shares, judge.judge)
    if not halving.judged:
        raise OptionError(
            f"{options.minutes:g} minutes were too short to judge even one of {len(candidates)} candidates; "
            "the features computed so far are kept: run again, or raise --minutes"
        )
    rows = _rows(halving, judge)
    recommended = _recommended(rows, halving, options.limits)
    return Comparison(
        dataset=prepared.dataset.name,
        classes=len(prepared.dataset.class_names),
        images=len(samples),
        folds=options.settings.folds,
        rows=rows,
        limits=options.limits,
        recommended=recommended,
        complete=halving.complete,
        left_out=(*prepared.dataset.left_out, *judge.left_out),
        notes=(*prepared.notes, *_notes(halving, rows, candidates, recommended, options)),
        seconds=time.perf_counter() - started,
    )


def _prepare(
    dataset: str, options: CompareOptions, registry: Registry, cache_directory: Path | None, progress: Progress
) -> PreparedData:
    preparation = Preparation(
        fractions=SplitFractions(),
        seed=options.settings.seed,
        audit=options.audit,
        exclude=options.exclude,
        pooled=True,
    )
    admitted = admit(registry.dataset(dataset, options.dataset_options), preparation, registry)
    return divide(admitted, preparation, cache_directory=cache_directory, progress=progress)


def _photos(folder: Path) -> tuple[Sample, ...]:
    """Return every image file below a folder, whatever its class."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is no folder of reference photos")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DatasetError(f"{folder}: no images found in this folder of reference photos")
    return tuple(Sample(FileImage(file), file.relative_to(folder).as_posix(), 0) for file in files)


def _rows(halving: Halving[Candidate], judge: Judge) -> tuple[Compared, ...]:
    def order(entry: tuple[Candidate, tuple[float, Judgement]]) -> tuple[float, tuple[float, float]]:
        return -entry[1][0], standing(entry[1][1])

    best: dict[float, Judgement] = {}
    rows = []
    for candidate, (share, judgement) in sorted(halving.judged.items(), key=order):
        leader = best.setdefault(share, judgement)
        right = int(judgement.correct.sum())
        rows.append(
            Compared(
                backbone=candidate.backbone,
                head=candidate.head,
                share=share,
                images=len(judgement.correct),
                accuracy=Share.of(right, len(judgement.correct)),
                log_loss=judgement.log_loss,
                against_best=compare_answers(leader.correct, judgement.correct) if leader is not judgement else None,
                cost=judge.costs[candidate.backbone],
                distance=judge.distances.get(candidate.backbone),
                engine=judge.engines[candidate.backbone],
            )
        )
    return tuple(rows)


def _recommended(rows: Sequence[Compared], halving: Halving[Candidate], limits: Limits) -> int | None:
    """Return the position of the row to take: of those judged on most images within the limits, the quickest of the best."""
    allowed = [index for index, row in enumerate(rows) if row.share == rows[0].share and limits.allow(row.cost)]
    answers = [halving.judged[Candidate(rows[index].backbone, rows[index].head)][1].correct for index in allowed]
    ranked = [
        Ranked(accuracy=rows[index].accuracy, cost=rows[index].cost, against_best=compare_answers(answers[0], own))
        for index, own in zip(allowed, answers, strict=True)
    ]
    chosen = quickest_of_the_best(ranked)
    return allowed[chosen] if chosen is not None else None


def _notes(
    halving: Halving[Candidate],
    rows: Sequence[Compared],
    candidates: Sequence[Candidate],
    recommended: int | None,
    options: CompareOptions,
) -> list[str]:
    told = []
    missing = [f"{entry.backbone} + {entry.head}" for entry in candidates if entry not in halving.judged]
    if not halving.complete:
        beyond = f"; not judged at all: {', '.join(missing)}" if missing else ""
        told.append(f"time was over after {options.minutes:g} minutes{beyond}; run again to go on from here")
    if recommended is None:
        quickest = min(rows, key=lambda row: row.cost.milliseconds)
        told.append(
            f"none of those judged on most images is within the limits; the quickest of all, {quickest.backbone}, takes "
            f"{quickest.cost.milliseconds:.1f} ms and {quickest.cost.megabytes:.1f} MB"
        )
    return told
