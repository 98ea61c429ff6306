"""Planted label errors are found; tests/benchmarks/label_errors.py does it on 2,000 photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.label_errors import plant
from tlcore import Registry, extract_features
from tlcore.dataset import Sample
from tlcore.evaluation.label_errors import find_label_errors
from tlcore.images import BytesImage
from tlcore.progress import silent


def samples_of(labels: np.ndarray) -> tuple[Sample, ...]:
    return tuple(Sample(BytesImage(b""), f"{index}", int(label)) for index, label in enumerate(labels))


def find(labels: np.ndarray, features: np.ndarray, classes: int, **settings: object):
    given = {"wanted": "yes", "folds": 5, "seed": 0, **settings}
    return find_label_errors(
        samples_of(labels), features.astype(np.float32), [f"class {index}" for index in range(classes)],
        Registry().head("linear"), progress=silent, **given,
    )  # fmt: skip


def test_planted_errors_lead_the_list() -> None:
    random = np.random.default_rng(0)
    true = random.integers(0, 4, 400)
    features = random.normal(size=(400, 12)) + 3 * np.eye(12)[true]
    planted = random.choice(400, 20, replace=False)
    labels = true.copy()
    labels[planted] = (true[planted] + 1) % 4
    report = find(labels, features, 4)
    assert len(set(report.ranking[:20]) & {str(index) for index in planted}) >= 16
    assert 10 <= report.count <= 40 and len(report.suspects) == report.count and report.judged == 400
    first = report.suspects[0]
    assert first.predicted == f"class {true[int(first.name)]}" and first.true == f"class {labels[int(first.name)]}"


def test_clean_labels_far_apart_raise_no_suspicion() -> None:
    true = np.arange(120) % 3
    report = find(true, np.random.default_rng(0).normal(size=(120, 6)) * 0.1 + 5 * np.eye(6)[true], 3)
    assert report.count == 0


@pytest.mark.parametrize(
    ("labels", "settings", "told"),
    [
        (np.arange(60) % 2, {"wanted": "no"}, "not asked for"),
        (np.zeros(60, int), {}, "two classes of two images or more"),
        (np.array([0, 1]), {}, "two classes of two images or more"),
    ],
    ids=["not asked", "one class", "one image each"],
)
def test_why_nothing_was_looked_for_is_told(labels: np.ndarray, settings: dict[str, object], told: str) -> None:
    assert told in find(labels, np.ones((len(labels), 3)), 2, **settings).missing


def test_what_would_take_long_is_not_begun() -> None:
    features = np.broadcast_to(np.float32(0), (100_000, 1000))
    samples = (Sample(BytesImage(b""), "0", 0),) * 100_000
    report = find_label_errors(
        samples, features, [str(index) for index in range(1000)], Registry().head("linear"), wanted="auto", folds=5, seed=0,
        progress=silent,
    )  # fmt: skip
    assert "100,000 images of 1,000 classes would take long" in report.missing


def test_classes_without_images_and_with_one_do_not_disturb() -> None:
    random = np.random.default_rng(0)
    true = np.append(np.arange(80) % 2 * 3, 2)
    report = find(true, random.normal(size=(81, 5)) + 4 * np.eye(5)[true], 5)
    assert report.judged == 80 and "80" not in report.ranking


def test_errors_planted_among_real_photos_are_found(shared: Path, registry: Registry) -> None:
    """With the small network in the box, which itself takes one photo in twenty for the other: 7 of 10 here."""
    dataset = registry.dataset(str(shared / "datasets" / "PetImages"), {"per_class": 150})
    planted, samples = plant(dataset.samples, 0.05, seed=0)
    found = extract_features(samples, registry.backbone("mini"))
    report = find_label_errors(
        found.samples, found.features, dataset.class_names, registry.head("linear"), wanted="yes", folds=5, seed=0,
        progress=silent,
    )  # fmt: skip
    assert len(planted & set(report.ranking[: len(planted)])) >= 0.7 * len(planted)
