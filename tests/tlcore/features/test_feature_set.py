from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import draw_shape
from tests.tlcore.test_images import encode
from tlcore import Backbone, BackboneInfo, Preprocess, Sample, TlcoreError, extract_features
from tlcore.engines import own_engine
from tlcore.errors import BackboneError, ImageError
from tlcore.features.feature_cache import FeatureCache, FeatureKey
from tlcore.features.feature_set import Extraction
from tlcore.features.views import STANDARD
from tlcore.images import BytesImage
from tlcore.machine.cores import available_cores
from tlcore.progress import ProgressEvent, silent

INFO = BackboneInfo(
    name="means", architecture="means", feature_size=3, preprocess=Preprocess(image_size=(16, 16)), weights_digest="m",
    pretrained=False, parameters=0,
)  # fmt: skip
KEY = FeatureKey(weights_digest="m", preprocess=INFO.preprocess, feature_size=3)


class Means(Backbone):
    """Mean colour of each image; remembers the batches it was given."""

    def __init__(self, broken: str = "") -> None:
        self.batches: list[int] = []
        self.broken = broken

    @property
    def info(self) -> BackboneInfo:
        return INFO

    def compute_features(self, inputs: np.ndarray) -> np.ndarray:
        self.batches.append(len(inputs))
        means: np.ndarray = inputs.mean(axis=(2, 3))
        return {"": means, "shape": means[:, :2], "nan": means * np.nan, "dtype": means.astype(np.float64)}[self.broken]


def samples(count: int, broken: Sequence[int] = ()) -> list[Sample]:
    data = [b"broken" if index in broken else encode(draw_shape("circle", index)) for index in range(count)]
    return [Sample(BytesImage(content), f"{index}.png", index % 2) for index, content in enumerate(data)]


def test_rows_are_in_the_samples_order_and_unreadable_ones_are_told() -> None:
    given = samples(50, broken=(3, 40))
    found = extract_features(given, Means(), batch_size=8)
    assert found.names == tuple(f"{index}.png" for index in range(50) if index not in (3, 40))
    assert [entry.name for entry in found.left_out] == ["3.png", "40.png"]
    assert found.left_out[0].reason == "3.png: not an image that can be read"
    alone = extract_features([given[17]], Means(), batch_size=1)
    assert np.array_equal(found.features[found.names.index("17.png")], alone.features[0])
    assert found.labels.tolist() == [index % 2 for index in range(50) if index not in (3, 40)]


def test_strict_raises_on_the_first_unreadable() -> None:
    with pytest.raises(ImageError, match=r"3\.png: not an image"):
        extract_features(samples(9, broken=(3,)), Means(), strict=True)


def test_no_samples_give_no_rows() -> None:
    assert extract_features([], Means()).features.shape == (0, 3)


def test_batches_are_padded_so_that_rows_do_not_depend_on_their_number() -> None:
    backbone = Means()
    extract_features(samples(11), backbone, batch_size=4)
    assert backbone.batches == [4, 4, 4]


def test_equal_images_are_embedded_once() -> None:
    backbone = Means()
    given = samples(4)
    twins = [*given, *(Sample(sample.image, f"copy-{sample.name}", 0) for sample in given)]
    found = extract_features(twins, backbone, batch_size=4)
    assert backbone.batches == [4]
    assert np.array_equal(found.features[:4], found.features[4:])


def test_cached_rows_are_not_computed_again_and_new_ones_are(tmp_path: Path) -> None:
    first = extract_features(samples(10), Means(), cache=FeatureCache(tmp_path, KEY), batch_size=4)
    backbone = Means()
    again = extract_features(samples(13), backbone, cache=FeatureCache(tmp_path, KEY), batch_size=4)
    assert backbone.batches == [4], "ten of thirteen were there"
    assert np.array_equal(again.features[:10], first.features)


def test_a_row_damaged_in_the_cache_is_computed_again(tmp_path: Path) -> None:
    expected = extract_features(samples(10), Means(), cache=FeatureCache(tmp_path, KEY), batch_size=16)
    shard = next(tmp_path.rglob("*.rows"))
    content = bytearray(shard.read_bytes())
    content[-2] ^= 255
    shard.write_bytes(content)
    backbone = Means()
    again = extract_features(samples(10), backbone, cache=FeatureCache(tmp_path, KEY), batch_size=16)
    assert backbone.batches == [16]
    assert np.array_equal(again.features, expected.features)


def test_cancelling_keeps_finished_batches(tmp_path: Path) -> None:
    def cancel(event: ProgressEvent) -> None:
        if event.done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(samples(20), Means(), cache=FeatureCache(tmp_path, KEY), batch_size=4, progress=cancel)
    backbone = Means()
    extract_features(samples(20), backbone, cache=FeatureCache(tmp_path, KEY), batch_size=4)
    assert sum(backbone.batches) == 12


def test_progress_reaches_the_total() -> None:
    events: list[ProgressEvent] = []
    extract_features(samples(9), Means(), batch_size=4, progress=events.append)
    assert events[0] == ProgressEvent("features", 0, 9)
    assert events[-1] == ProgressEvent("features", 9, 9)


@pytest.mark.parametrize(
    ("broken", "told"),
    [("shape", r"returned float32 \(32, 2\) features, expected float32 \(32, 3\)"),
     ("dtype", r"returned float64 \(32, 3\)"),
     ("nan", "features that are not finite")],
)  # fmt: skip
def test_a_backbone_that_breaks_its_contract_is_told(broken: str, told: str) -> None:
    with pytest.raises(BackboneError, match=told):
        extract_features(samples(3), Means(broken))


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(TlcoreError, match="batch_size must be at least 1, got 0"):
        extract_features([], Means(), batch_size=0)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(BackboneError, match=r"takes uint8 \(images, 16, 16, 3\), got uint8 \(2, 8, 8, 3\)"):
        Means().features(np.zeros((2, 8, 8, 3), np.uint8))


class Counted:
    """An image that counts how often any of its kind was read."""

    reads = 0

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        type(self).reads += 1
        return self._data


def test_decoding_stays_a_bounded_way_ahead_so_that_memory_does_not_grow() -> None:
    Counted.reads = 0
    ahead: list[int] = []

    class Slow(Means):
        def compute_features(self, inputs: np.ndarray) -> np.ndarray:
            time.sleep(0.01)
            ahead.append(Counted.reads - sum(self.batches))
            return super().compute_features(inputs)

    given = [Sample(Counted(encode(draw_shape("circle", index))), f"{index}.png", 0) for index in range(400)]
    extract_features(given, Slow(), batch_size=8)
    assert max(ahead) <= 96 + 8 + 4 * (2 + available_cores())


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_parallel_engine_gives_the_same_rows_in_the_same_order(batch_size: int, tmp_path: Path) -> None:
    given = [*samples(50, broken=(3, 40)), *samples(50)]
    backbone = Means()
    engine = replace(own_engine(backbone, batch_size), parallel=True)
    for cache in (None, FeatureCache(tmp_path, KEY), FeatureCache(tmp_path, KEY)):
        backbone.batches.clear()
        found = Extraction(engine, {STANDARD: cache}).run(given, strict=False, progress=silent, stage="")
        expected = extract_features(given, Means())
        assert found.names == expected.names
        np.testing.assert_allclose(found.features, expected.features, atol=1e-6)
        assert found.left_out == expected.left_out
    assert backbone.batches == [], "all rows were in the cache"


KILLED = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.tlcore.features.test_feature_set import KEY, Means, samples
from tlcore import extract_features
from tlcore.features.feature_cache import FeatureCache
class Slow(Means):
    def compute_features(self, inputs):
        time.sleep(0.03)
        return super().compute_features(inputs)
extract_features(samples(400), Slow(), cache=FeatureCache(Path({home!r}), KEY), batch_size=4,
    progress=lambda event: print(event.done, flush=True))
"""


def test_killed_extraction_loses_at_most_its_last_batch_and_never_gives_a_wrong_row(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    script = KILLED.format(root=root, home=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        done = 0
        while done < 40:
            done = int(process.stdout.readline())
        process.kill()
    backbone = Means()
    again = extract_features(samples(400), backbone, cache=FeatureCache(tmp_path, KEY), batch_size=4)
    assert sum(backbone.batches) <= 400 - done + 4
    assert np.array_equal(again.features, extract_features(samples(400), Means(), batch_size=4).features)
