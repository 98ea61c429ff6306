"""What happens to a dataset before training: exclusions, the audit, and the split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tlcore.audit.findings import AuditReport
from tlcore.audit.run import audit_dataset
from tlcore.audit.table import InspectionTable
from tlcore.bundle import load_bundle
from tlcore.data.exclusion import exclude_images
from tlcore.data.split_reuse import check_same_data, split_like
from tlcore.data.splits import SplitFractions, split_dataset
from tlcore.data.suitability import check_classes
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
class Admitted:
    """What is left to learn from, before any image is read.

    Attributes:
        dataset: without what was excluded.
        earlier: the split to be used again, split name to (image name, SHA-256) pairs; None where there is none.
        notes: what a person should know, one line each.
    """

    dataset: Dataset
    earlier: Mapping[str, Sequence[tuple[str, str]]] | None
    notes: tuple[str, ...]


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


def admit(dataset: Dataset, preparation: Preparation, registry: Registry) -> Admitted:
    """Leave out what is excluded, and refuse all that can be refused without reading an image.

    Raises:
        TlcoreError: images of one class only, an exclusion list or a bundle's split that does not fit.
    """
    check_classes(dataset)
    notes: tuple[str, ...] = ()
    if preparation.exclude is not None:
        dataset, notes = exclude_images(dataset, preparation.exclude)
        check_classes(dataset)
    earlier = load_bundle(preparation.split_from, registry).split if preparation.split_from is not None else None
    if earlier is not None:
        check_same_data(dataset, earlier)
    return Admitted(dataset=dataset, earlier=earlier, notes=notes)


def divide(
    admitted: Admitted,
    preparation: Preparation,
    *,
    cache_directory: Path | None,
    progress: Progress,
    table: InspectionTable | None = None,
) -> PreparedData:
    """Audit a dataset and divide it.

    Args:
        admitted: what to divide.
        preparation: how.
        cache_directory: where what the audit finds is kept; None keeps none.
        progress: told how far it is.
        table: inspections of its images, in order, where they were made already.

    Raises:
        TlcoreError: splits that cannot be trained on.
    """
    dataset, notes = admitted.dataset, list(admitted.notes)
    together: tuple[tuple[str, ...], ...] = ()
    if preparation.audit:
        report = audit_dataset(dataset, cache_directory=cache_directory, table=table, progress=progress)
        together = report.duplicate_sets
        notes += _told(report, dataset)
    if admitted.earlier is not None:
        dataset, told = split_like(dataset, admitted.earlier, together=together)
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
