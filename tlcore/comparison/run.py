"""Comparing from top to bottom: the data prepared, every candidate judged, the rows ordered, one recommended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tlcore.comparison.halving import Halving, halve, standing, useful_shares
from tlcore.comparison.judge import Candidate, Judge
from tlcore.comparison.judgement import Judgement
from tlcore.comparison.options import CompareOptions
from tlcore.comparison.recommendation import Limits, Ranked, quickest_of_the_best
from tlcore.comparison.result import Compared, Comparison
from tlcore.data.preparation import Preparation, PreparedData, admit, divide
from tlcore.data.splits import SplitFractions
from tlcore.dataset import Sample
from tlcore.deadline import Deadline
from tlcore.errors import DatasetError, OptionError
from tlcore.images import IMAGE_SUFFIXES, FileImage
from tlcore.mcnemar import compare_answers
from tlcore.metrics import Share
from tlcore.progress import Progress, silent
from tlcore.registry import Registry


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
