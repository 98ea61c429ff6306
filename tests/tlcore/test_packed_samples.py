from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tlcore.dataset import Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.images import FolderImage
from tlcore.packed_samples import (
    FolderImages,
    PackedSamples,
    SampleStore,
    groups_of,
    join_samples,
    labels_of,
    name_order,
    names_of,
    select_samples,
)

ROWS = (("b/1.png", 1, "", ("x",)), ("a/1.png", 0, "", ("",)), ("a/2.png", 0, "family", ("y",)), ("犬/3.png", 2, "", ("z",)))
PLAIN = tuple(
    Sample(FolderImage("photos", name), name, label, group or None, (("camera", *values),))
    for name, label, group, values in ROWS
)


@pytest.fixture
def packed() -> PackedSamples:
    store = SampleStore(FolderImages("photos"), ("camera",))
    for row in ROWS:
        store.add(*row)
    return store.samples()


def test_samples_are_what_a_tuple_of_them_would_be(packed: PackedSamples) -> None:
    assert tuple(packed) == PLAIN
    assert packed == PLAIN
    assert packed == list(PLAIN)
    assert packed != PLAIN[:3]
    assert packed != PLAIN[::-1]
    assert packed[-1] == PLAIN[-1]
    assert packed[1:3] == PLAIN[1:3]
    assert packed[::-2] == PLAIN[::-2]
    assert PLAIN[2] in packed
    assert pickle.loads(pickle.dumps(packed[1:])) == PLAIN[1:]
    assert type(packed[0].label) is int


@pytest.mark.parametrize("kind", ["packed", "plain"])
def test_columns_and_selections(packed: PackedSamples, kind: str) -> None:
    samples = packed if kind == "packed" else PLAIN
    assert list(names_of(samples)) == [row[0] for row in ROWS]
    assert labels_of(samples).tolist() == [1, 0, 0, 2]
    assert list(groups_of(samples)) == [None, None, "family", None]
    assert name_order(samples).tolist() == [1, 2, 0, 3]
    assert select_samples(samples, name_order(samples)) == tuple(PLAIN[place] for place in (1, 2, 0, 3))
    assert len(select_samples(samples, [])) == 0
    assert type(select_samples(samples, [0])) is type(samples)
    assert join_samples([samples[2:], samples[:0], samples[:1]]) == (*PLAIN[2:], PLAIN[0])
    assert type(join_samples([samples[2:], samples[:1]])) is type(samples)


def test_parts_of_different_stores_are_joined(packed: PackedSamples) -> None:
    assert join_samples([packed[:1], PLAIN[1:]]) == PLAIN
    assert join_samples([PLAIN[:1], packed[1:]]) == PLAIN


def test_datasets_take_either(packed: PackedSamples) -> None:
    classes = ("a", "b", "犬")
    one, other = (Dataset(name="d", class_names=classes, splits={"all": samples}) for samples in (packed, PLAIN))
    assert one == other
    assert one.digest == other.digest
    assert one.counts == other.counts == {"all": {"a": 2, "b": 1, "犬": 1}}


@pytest.mark.parametrize(
    ("name", "label", "told"),
    [("a/1.png", 0, "two images are named 'a/1.png'"), ("new", 3, "new in all has label 3, but there are 3 classes"),
     ("new", -1, "new in all has label -1")],
)  # fmt: skip
def test_packed_samples_are_checked_as_others_are(packed: PackedSamples, name: str, label: int, told: str) -> None:
    packed.store.add(name, label, "", ("",))
    with pytest.raises(DatasetError, match=told):
        Dataset(name="d", class_names=("a", "b", "c"), splits={"all": packed.store.samples()})


def test_labels_can_be_renumbered(packed: PackedSamples) -> None:
    packed.store.renumber({0: 2, 1: 0, 2: 1})
    assert labels_of(packed).tolist() == [0, 2, 2, 1]


def listed(count: int) -> int:
    """Return the peak memory, in bytes, of making a dataset of so many samples."""
    tracemalloc.start()
    store = SampleStore(FolderImages("photos"))
    for index in range(count):
        store.add(f"{index % 2}/{index:08d}.png", index % 2)
    Dataset(name="many", class_names=("0", "1"), splits={"all": store.samples()})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_by_little_a_sample() -> None:
    few, many = listed(1_000), listed(8_000)
    assert (many - few) / 7_000 < 60  # bytes, of which 14 are the name; a `Sample` takes 250


def test_image_paths_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"content")
    store = SampleStore(FolderImages(str(tmp_path)))
    store.add("a/1.png", 0)
    assert store.samples()[0].image.read() == b"content"
    assert np.asarray(store.samples().rows).dtype == np.int32
