from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import draw_shape
from tests.tlcore.audit.planted import encoded
from tlcore import Registry
from tlcore.audit import audit_dataset
from tlcore.errors import DatasetError

datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install 'tlcore[huggingface]')")
pytestmark = pytest.mark.filterwarnings("ignore")


def table(count: int = 6, **columns: object) -> object:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["bar", "circle"])})
    images = [{"bytes": encoded(draw_shape("circle" if i % 2 else "bar", i), "PNG"), "path": None} for i in range(count)]
    return datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(count)]}, features=features)


def test_a_saved_dataset_with_splits(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": table(6), "test": table(4)}).save_to_disk(str(tmp_path / "saved"))
    dataset = Registry().dataset(f"hf:{tmp_path / 'saved'}")
    assert dataset.class_names == ("bar", "circle")
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 6, "test": 4}
    assert dataset.splits["train"][3].image.read() == encoded(draw_shape("circle", 3), "PNG")
    leak = audit_dataset(dataset).finding("leak")
    assert leak is not None and leak.count == 4


def test_a_saved_table_without_splits(tmp_path: Path) -> None:
    table().save_to_disk(str(tmp_path / "saved"))  # type: ignore[attr-defined]
    assert list(Registry().dataset(f"hf:{tmp_path / 'saved'}").splits) == ["all"]


def test_text_labels_and_named_columns(tmp_path: Path) -> None:
    plain = table().rename_column("image", "picture")  # type: ignore[attr-defined]
    plain = plain.remove_columns("label").add_column("kind", ["b", "a"] * 3)
    plain.save_to_disk(str(tmp_path / "saved"))
    dataset = Registry().dataset(f"hf:{tmp_path / 'saved'}", {"label_column": "kind"})
    assert dataset.class_names == ("a", "b")
    with pytest.raises(
        DatasetError, match="it is not clear which column holds the label; its columns are picture, kind; name"
    ):
        Registry().dataset(f"hf:{tmp_path / 'saved'}")


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    image = {"bytes": encoded(draw_shape("bar", 0), "PNG"), "path": None}
    made = datasets.Dataset.from_dict({"image": [image] * 4, "label": [0, -1, 1, -1]}, features=features)
    made.save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DatasetError, match="2 rows of all have no label, the first are 1, 3"):
        Registry().dataset(f"hf:{tmp_path / 'saved'}")


def test_nothing_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"hf:.*cannot be loaded: "):
        Registry().dataset(f"hf:{tmp_path / 'none' / 'here'}")
