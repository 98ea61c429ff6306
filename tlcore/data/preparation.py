"""What happens to a dataset before training: exclusions, the audit, and the split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tlcore.audit.findings import AuditReport
from tlcore.audit.run import audit_dataset
from tlcore.audit.table import InspectionTable
from tlcore.bundle import load_bundle
from tlcore.data.exclusion import exclude_images
from tlcore.data.split_reuse import split_like
from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.dataset import ALL, Dataset
from tlcore.progress import Progress
from tlcore.registry import Registry

_TOLD = ("leak", "group-leak", "label-conflict", "exact-duplicates", "near-duplicates")
"""Findings told before training; what cannot be read is listed as left out, the rest is for ``tl data check``."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How to make a dataset ready for training.

    Attributes:
        fractions: shares held out of a dataset that does not say itself.
        seed: of the split.
        audit: look for copies and leaks first, and keep copies together.
        exclude: exclusion list of images to leave out.
        split_from: bundle whose split is used again.
        pooled: put the dataset's splits together and hold nothing out for testing, as cross-validation needs.
    """

    fractions: SplitFractions
    seed: int
    audit: bool = True
    exclude: Path | None = None
    split_from: Path | None = None
    pooled: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """A dataset ready for training.

    Attributes:
        dataset: split, without what was excluded.
        duplicate_sets: sample names that show the same picture, set by set.
        notes: what a person should know, one line each.
    """

    dataset: Dataset
    duplicate_sets: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def prepare_data(
    dataset: Dataset,
    preparation: Preparation,
    *,
    registry: Registry,
    cache_directory: Path | None,
    progress: Progress,
    look: Callable[[Dataset], InspectionTable | None] | None = None,
) -> PreparedData:
    """Leave out, audit and divide a dataset.

    Args:
        dataset: what to prepare.
        preparation: how.
        registry: where plugins are looked up.
        cache_directory: where what the audit finds is kept; None keeps none.
        progress: told how far it is.
        look: given what is not excluded, once nothing else can be refused; may return the inspections of its images.

    Raises:
        TlcoreError: an exclusion list or a bundle that does not fit, or splits that cannot be trained on.
    """
    notes: list[str] = []
    if preparation.exclude is not None:
        dataset, told = exclude_images(dataset, preparation.exclude)
        notes += told
    earlier = load_bundle(preparation.split_from, registry).split if preparation.split_from is not None else None
    report = None
    table = look(dataset) if look is not None else None
    if preparation.audit:
        report = audit_dataset(dataset, cache_directory=cache_directory, table=table, progress=progress)
        notes += _told(report, dataset)
    together = report.duplicate_sets if report is not None else ()
    if earlier is not None:
        dataset, told = split_like(dataset, earlier, together=together)
        notes += told
    elif preparation.pooled:
        whole = replace(dataset, splits={ALL: dataset.samples})
        fractions = SplitFractions(validation=preparation.fractions.validation, test=0.0)
        dataset = split_dataset(whole, fractions, preparation.seed, together=together)
    else:
        dataset = split_dataset(dataset, preparation.fractions, preparation.seed, together=together)
    return PreparedData(dataset=dataset, duplicate_sets=together, notes=tuple(notes))


def _told(report: AuditReport, dataset: Dataset) -> Iterator[str]:
    for kind in _TOLD:
        finding = report.finding(kind)
        if finding is not None:
            kept = "; the split keeps copies together" if kind.endswith("-duplicates") and not dataset.is_split else ""
            yield f"{finding.summary}{kept} ('tl data check {dataset.name}' shows them)"
