"""The audit itself: inspect every image, then ask what is damaged, repeated, contradictory, leaking or odd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np

from tlcore.audit import checks
from tlcore.audit.duplicates import equal_sets, near_pairs
from tlcore.audit.findings import AuditReport, Finding
from tlcore.audit.inspection_cache import opened_cache
from tlcore.audit.subject import MIN_SIDE, AuditSubject
from tlcore.audit.suggestion import suggest_exclusions
from tlcore.audit.table import InspectionTable, inspect_samples
from tlcore.data.connected import connected_sets
from tlcore.dataset import Dataset
from tlcore.progress import Progress, silent


def audit_dataset(
    dataset: Dataset,
    *,
    cache_directory: Path | None = None,
    table: InspectionTable | None = None,
    progress: Progress = silent,
) -> AuditReport:
    """Look at every image of a dataset, and report. Nothing is changed, left out or written beside the images.

    Args:
        dataset: what to look at; where it brings splits, leakage across them is looked for.
        cache_directory: where results are kept by the images' digests, so that the next audit need not decode; None keeps
            none.
        table: the images' inspections, where they were made already; None makes them.
        progress: told how far it is; an exception it raises cancels.

    Examples:
        >>> from tlcore import Registry
        >>> report = audit_dataset(Registry().dataset("folder:photos"))  # doctest: +SKIP
        >>> [finding.summary for finding in report.problems]  # doctest: +SKIP
        ['3 images cannot be read']
    """
    started = time.perf_counter()
    if table is None:
        with opened_cache(cache_directory) as cache:
            table = inspect_samples(dataset.samples, cache, progress)
    subject = _subject(dataset, table)
    findings = sorted(_findings(subject), key=lambda finding: finding.severity != "problem")
    return AuditReport(
        dataset=dataset.name,
        counts=dataset.counts,
        findings=tuple(findings),
        exclude=suggest_exclusions(subject),
        duplicate_sets=tuple(subject.names(members) for members in subject.sets),
        seconds=time.perf_counter() - started,
        cached=table.cached,
    )


def _subject(dataset: Dataset, table: InspectionTable) -> AuditSubject:
    """Put the samples, their inspections and the sets of like ones together."""
    equal = equal_sets(table.digest)
    comparable = table.sound.whole()
    comparable[checks.blank(table)] = False
    for members in equal:
        comparable[members[1:]] = False
    for start, sizes in table.sizes.blocks():
        comparable[start : start + len(sizes)] &= sizes.min(axis=1) >= MIN_SIDE
    pairs = near_pairs(table.hash, table.colours, np.flatnonzero(comparable).astype(np.int32))
    near = [(first, second) for first, second in pairs.tolist()]
    same = [(first, other) for first, *others in equal for other in others]
    return AuditSubject(
        dataset=dataset,
        samples=dataset.samples,
        ends=dict(zip(dataset.splits, accumulate(map(len, dataset.splits.values())), strict=True)),
        table=table,
        equal=equal,
        near=connected_sets(near),
        sets=connected_sets([*same, *near]),
    )


def _findings(subject: AuditSubject) -> Iterator[Finding]:
    for check in checks.ALL:
        finding = check(subject)
        if finding is not None:
            yield finding
