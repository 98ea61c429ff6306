from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import draw_shape
from tests.tlcore.audit.planted import encoded
from tests.tlcore_datasets.fake_hub import hub_with
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


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    files = {}
    for split, count in (("train", 6), ("test", 4)):
        written = io.BytesIO()
        table(count).to_parquet(written)  # type: ignore[attr-defined]
        files[f"data/{split}-00000-of-00001.parquet"] = written.getvalue()
    with hub_with("organisation/shapes", files) as address:
        yield address


def info(name: str, address: str, home: Path, *, offline: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``tl data info`` in a process of its own: the library reads the hub's address when it is imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment = {**kept, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
    command = [sys.executable, "-m", "tlcore_cli", "data", "info", f"hf:{name}", "--json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_dataset_is_loaded_from_a_hub_once_and_then_without_it(hub: str, tmp_path: Path) -> None:
    first = info("organisation/shapes", hub, tmp_path)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["classes"] == ["bar", "circle"]
    assert {split: sum(counts.values()) for split, counts in told["counts"].items()} == {"train": 6, "test": 4}
    for offline in (True, False):  # told that there is no network, and left to find out
        again = info("organisation/shapes", "http://127.0.0.1:9", tmp_path, offline=offline)
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["counts"] == told["counts"]


def test_a_dead_network_is_said_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    found = info("organisation/shapes", "http://127.0.0.1:9", tmp_path)
    assert (
        time.monotonic() - started < 15
    )  # of which most is importing the library on a busy machine; asking on took 23 more
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "the Hub cannot be reached, or may not be (--offline), and no copy of it is here" in found.stderr


@pytest.mark.parametrize(
    ("name", "offline", "told"),
    [("organisation/nothing", False, "the Hub has no such dataset or shows it only to those who log in"),
     ("organisation/shapes", True, "load_dataset('organisation/shapes').save_to_disk('DIR') in Python where there is a network")],
    ids=["unknown", "offline"],
)  # fmt: skip
def test_what_a_hub_does_not_give_is_one_line(hub: str, tmp_path: Path, name: str, offline: bool, told: str) -> None:
    found = info(name, hub, tmp_path, offline=offline)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1 and told in found.stderr
