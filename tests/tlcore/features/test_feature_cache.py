from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tlcore import Preprocess, TlcoreError
from tlcore.features import feature_cache
from tlcore.features.feature_cache import FeatureCache, FeatureKey

KEY = FeatureKey(weights_digest="w", preprocess=Preprocess(image_size=(8, 8)), feature_size=5)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows(*numbers: int) -> dict[str, np.ndarray]:
    return {digest(number): np.full(5, number, np.float32) for number in numbers}


def test_rows_come_back_and_absent_ones_do_not(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY).write(rows(1, 2))
    cache = FeatureCache(tmp_path, KEY)
    found = cache.read([digest(1), digest(3), digest(2)])
    assert {name: row.tolist() for name, row in found.items()} == {digest(1): [1.0] * 5, digest(2): [2.0] * 5}
    assert digest(2) in cache
    assert digest(3) not in cache


@pytest.mark.parametrize(
    "other",
    [FeatureKey(weights_digest="v", preprocess=KEY.preprocess, feature_size=5),
     FeatureKey(weights_digest="w", preprocess=Preprocess(image_size=(9, 8)), feature_size=5),
     FeatureKey(weights_digest="w", preprocess=KEY.preprocess, feature_size=5, precision="bfloat16")],
    ids=["weights", "preprocess", "precision"],
)  # fmt: skip
def test_another_key_sees_nothing(tmp_path: Path, other: FeatureKey) -> None:
    FeatureCache(tmp_path, KEY).write(rows(1))
    assert FeatureCache(tmp_path, other).read([digest(1)]) == {}


def test_a_flipped_bit_anywhere_never_gives_a_wrong_row(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY).write(rows(*range(6)))
    shard = next(tmp_path.rglob("*.rows"))
    whole = shard.read_bytes()
    for place in range(len(whole)):
        shard.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        for name, row in FeatureCache(tmp_path, KEY).read([digest(number) for number in range(6)]).items():
            assert row.tolist() == rows(*range(6))[name].tolist()
        shard.write_bytes(whole)
    assert len(FeatureCache(tmp_path, KEY).read([digest(number) for number in range(6)])) == 6


def test_a_truncated_shard_is_removed(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY).write(rows(1, 2))
    shard = next(tmp_path.rglob("*.rows"))
    shard.write_bytes(shard.read_bytes()[:-7])
    assert FeatureCache(tmp_path, KEY).read([digest(1), digest(2)]) == {}
    assert not shard.exists()


def test_many_shards_are_merged_without_loss(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, KEY)
    for number in range(70):
        cache.write(rows(number))
    cache.merge()
    assert len(list(tmp_path.rglob("*.rows"))) == 1
    found = FeatureCache(tmp_path, KEY).read([digest(number) for number in range(70)])
    assert [found[digest(number)][0] for number in range(70)] == list(range(70))


WRITER = """
import sys, numpy as np
sys.path.insert(0, {tests!r})
from dataclasses import replace
from pathlib import Path
from test_feature_cache import KEY, rows
from tlcore.features.feature_cache import FeatureCache
cache = FeatureCache(Path({home!r}), KEY)
for number in range({start}, 100000):
    cache.write(rows(number))
    print(number, flush=True)
"""


def test_two_processes_killed_while_writing_lose_nothing_they_finished(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER.format(tests=str(Path(__file__).parent), home=str(tmp_path), start=start)],
            stdout=subprocess.PIPE, text=True,
        )
        for start in (0, 50000)
    ]  # fmt: skip
    finished = []
    for writer in writers:
        assert writer.stdout is not None
        finished += [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        writer.wait()
        writer.stdout.close()
    found = FeatureCache(tmp_path, KEY).read([digest(number) for number in finished])
    assert {name: row[0] for name, row in found.items()} == {digest(number): number for number in finished}


def test_nothing_is_written_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TlcoreError, match="features cannot be kept: No space left on device; TLCORE_HOME names another"):
        FeatureCache(tmp_path, KEY).write(rows(1))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_damaged_row_is_taken_out_so_that_what_replaces_it_is_found(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY).write(rows(1, 2, 3))
    shard = next(tmp_path.rglob("*.rows"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    cache = FeatureCache(tmp_path, KEY)
    assert sorted(cache.read([digest(1), digest(2), digest(3)])) == sorted([digest(2), digest(3)])
    cache.write(rows(1))
    for _ in range(3):
        assert len(FeatureCache(tmp_path, KEY).read([digest(1), digest(2), digest(3)])) == 3


def test_float16_gives_back_what_was_rounded(tmp_path: Path) -> None:
    key = replace(KEY, storage="float16")
    given = {digest(1): np.array([0.1, 1000.3, 3, 4, 5], np.float32)}
    returned = FeatureCache(tmp_path, key).write(given)
    read = FeatureCache(tmp_path, key).read([digest(1)])
    assert read[digest(1)].tolist() == returned[digest(1)].tolist() == np.float16(given[digest(1)]).tolist()
    assert next(tmp_path.rglob("*.rows")).stat().st_size == 32 + 4 + 5 * 2
    with pytest.raises(TlcoreError, match="exceed what float16 holds"):
        FeatureCache(tmp_path, key).write({digest(2): np.full(5, 1e6, np.float32)})


def test_merging_leaves_shards_that_can_be_dropped_on_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_LARGEST", 20 * 56)
    cache = FeatureCache(tmp_path, KEY)
    for number in range(70):
        cache.write(rows(number))
    cache.merge()
    sizes = [shard.stat().st_size for shard in tmp_path.rglob("*.rows")]
    assert 4 <= len(sizes) <= 8
    assert max(sizes) <= 20 * 56
    assert len(FeatureCache(tmp_path, KEY).read(map(digest, range(70)))) == 70
