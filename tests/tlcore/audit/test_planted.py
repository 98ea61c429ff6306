"""The audit against faults planted in photos: real ones where they are at hand, and pictures made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tlcore.audit.planted import Planted, made_photos, plant, real_photos
from tlcore import Dataset, Registry
from tlcore.audit import AuditReport, audit_dataset, audit_page


@pytest.fixture(scope="module", params=["made", "real"])
def photos(request: pytest.FixtureRequest) -> list[bytes]:
    if request.param == "made":
        return made_photos(200)
    return real_photos(request.getfixturevalue("shared"), 150)


@pytest.fixture(scope="module")
def planted(photos: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), photos)


@pytest.fixture(scope="module")
def dataset(planted: Planted, registry: Registry) -> Dataset:
    return registry.dataset(str(planted.root))


@pytest.fixture(scope="module")
def report(dataset: Dataset) -> AuditReport:
    return audit_dataset(dataset)


def found(report: AuditReport, kind: str) -> set[frozenset[str]]:
    finding = report.finding(kind)
    return {frozenset(entry.images) for entry in finding.entries} if finding is not None else set()


def test_all_corrupt_files_are_found_and_no_other(report: AuditReport, planted: Planted) -> None:
    assert {name for entry in found(report, "unreadable") for name in entry} == planted.corrupt


def test_all_exact_copies_are_found(report: AuditReport, planted: Planted) -> None:
    assert planted.exact <= found(report, "exact-duplicates")


def test_nearly_all_near_copies_are_found(report: AuditReport, planted: Planted) -> None:
    assert len(planted.near & found(report, "near-duplicates")) >= 0.95 * len(planted.near)


def test_all_leaks_are_found_and_no_other(report: AuditReport, planted: Planted) -> None:
    assert found(report, "leak") == planted.leaks


def test_all_label_conflicts_are_found_and_no_other(report: AuditReport, planted: Planted) -> None:
    assert found(report, "label-conflict") == planted.conflicts


def test_nothing_else_is_called_a_copy(report: AuditReport, planted: Planted) -> None:
    assert {frozenset(names) for names in report.duplicate_sets} <= (
        planted.exact | planted.near | planted.conflicts | planted.leaks
    )


def test_suggested_exclusions_heal_the_dataset(report: AuditReport, dataset: Dataset, planted: Planted) -> None:
    assert planted.corrupt <= report.exclude.keys()
    assert all(pair <= report.exclude.keys() for pair in planted.conflicts)
    assert all(len(pair & report.exclude.keys()) == 1 for pair in planted.exact | planted.leaks)
    assert not [name for name in report.exclude if name.startswith("test/")]
    kept = {
        split: tuple(sample for sample in samples if sample.name not in report.exclude)
        for split, samples in dataset.splits.items()
    }
    healed = audit_dataset(Dataset(name="healed", class_names=dataset.class_names, splits=kept))
    assert not healed.problems


def test_files_are_as_they_were(dataset: Dataset, planted: Planted) -> None:
    def state() -> dict[str, tuple[int, int]]:
        files = [path for path in planted.root.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    audit_page(audit_dataset(dataset), dataset)
    assert state() == before


def test_untouched_photos_have_hardly_any_false_pair(photos: list[bytes], tmp_path: Path, registry: Registry) -> None:
    for index, data in enumerate(photos):
        (tmp_path / str(index % 2)).mkdir(exist_ok=True)
        (tmp_path / str(index % 2) / f"{index}.jpg").write_bytes(data)
    untouched = audit_dataset(registry.dataset(str(tmp_path)))
    assert len(untouched.duplicate_sets) <= 0.01 * len(photos)
    assert not untouched.problems
