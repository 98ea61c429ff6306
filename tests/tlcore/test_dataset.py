from __future__ import annotations

import pytest

from tlcore.dataset import Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.images import BytesImage


def sample(name: str, label: int = 0, group: str | None = None) -> Sample:
    return Sample(BytesImage(b""), name, label, group)


@pytest.mark.parametrize(
    ("classes", "splits", "told"),
    [(("a", "a"), {"all": (sample("1"),)}, "class 'a' is listed twice"),
     (("a", "b\udcff"), {"all": (sample("1"),)}, r"class 'b\\udcff' is no valid UTF-8 and cannot be saved; rename it"),
     (("a", "b"), {"all": (sample("1", 2),)}, "1 in all has label 2, but there are 2 classes"),
     (("a", "b"), {"training": (sample("1"),)}, "splits are train, validation, test, or 'all' alone; got training"),
     (("a", "b"), {"all": (sample("1"),), "test": ()}, "or 'all' alone"),
     (("a", "b"), {"train": (sample("1"),), "test": (sample("1"),)}, "two images are named '1'"),
     (("a", "b"), {"all": ()}, "there are no images in it")],
)  # fmt: skip
def test_malformed_datasets_are_refused(classes: tuple[str, ...], splits: dict[str, tuple[Sample, ...]], told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        Dataset(name="d", class_names=classes, splits=splits)


def test_digest_depends_on_labels_and_splits_only() -> None:
    one = Dataset(name="one", class_names=("a", "b"), splits={"all": (sample("1"), sample("2", 1))})
    same = Dataset(name="two", class_names=("a", "b"), splits={"all": (sample("1"), sample("2", 1))}, licence="x")
    other = Dataset(name="one", class_names=("a", "b"), splits={"all": (sample("1"), sample("2", 0))})
    assert one.digest == same.digest != other.digest
