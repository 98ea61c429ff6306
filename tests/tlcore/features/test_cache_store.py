from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tlcore.features.test_feature_cache import KEY, digest, rows
from tlcore.config import store_setting
from tlcore.errors import OptionError
from tlcore.features.cache_settings import cache_settings, parse_size
from tlcore.features.cache_store import clear, evict, namespaces, part_sizes, verify
from tlcore.features.feature_cache import FeatureCache
from tlcore.machine.paths import cache_directory

OTHER = replace(KEY, precision="bfloat16", storage="float16")


def fill(directory: Path) -> None:
    """Two namespaces; the shards of the first were used 1, 2 and 3 seconds after the epoch."""
    FeatureCache(directory, OTHER).write(rows(1, 2))
    for number in (1, 2, 3):
        cache = FeatureCache(directory, KEY)
        before = set(cache.directory.glob("*.rows"))
        cache.write(rows(number))
        (shard,) = set(cache.directory.glob("*.rows")) - before
        os.utime(shard, (number, number))


def test_it_tells_what_is_there(tmp_path: Path) -> None:
    assert namespaces(tmp_path) == []
    fill(tmp_path)
    found = {str(entry.key["precision"]): entry for entry in namespaces(tmp_path)}
    assert {precision: entry.rows for precision, entry in found.items()} == {"float32": 3, "bfloat16": 2}
    assert found["bfloat16"].key == OTHER.to_dict()
    assert part_sizes(tmp_path)["features"] == sum(entry.size for entry in found.values())


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    fill(tmp_path)
    shard = 32 + 4 + 5 * 4
    kept = 2 * (32 + 4 + 5 * 2) + shard
    assert evict(tmp_path, kept) == 2 * shard
    assert sorted(FeatureCache(tmp_path, KEY).read(map(digest, (1, 2, 3)))) == [digest(3)]
    assert len(FeatureCache(tmp_path, OTHER).read(map(digest, (1, 2)))) == 2


def test_reading_is_using(tmp_path: Path) -> None:
    fill(tmp_path)
    cache = FeatureCache(tmp_path, KEY)
    cache.read([digest(1)])
    cache.close()
    evict(tmp_path, 2 * (32 + 4 + 5 * 2) + 32 + 4 + 5 * 4)
    assert sorted(FeatureCache(tmp_path, KEY).read(map(digest, (1, 2, 3)))) == [digest(1)]


def test_nothing_goes_below_the_limit_and_all_beyond_it(tmp_path: Path) -> None:
    fill(tmp_path)
    assert evict(tmp_path, 10**6) == 0
    evict(tmp_path, 0)
    assert list(tmp_path.rglob("*.rows")) == []


def test_verifying_takes_out_what_is_damaged(tmp_path: Path) -> None:
    fill(tmp_path)
    damaged = next((tmp_path / "features" / OTHER.digest).glob("*.rows"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    next((tmp_path / "features" / KEY.digest).glob("*.rows")).write_bytes(b"short")
    found = verify(tmp_path)
    assert (found.rows, found.damaged, found.files) == (3, 1, 1)
    again = verify(tmp_path)
    assert (again.rows, again.damaged, again.files) == (3, 0, 0)
    assert sorted(FeatureCache(tmp_path, OTHER).read(map(digest, (1, 2)))) == [digest(1)]


def test_clearing_takes_the_parts_named_and_no_others(tmp_path: Path) -> None:
    fill(tmp_path)
    for part in ("graphs", "datasets"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "file").write_bytes(b"12345")
    assert clear(tmp_path, ["graphs"]) == 5
    assert part_sizes(tmp_path)["features"] > 0
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["datasets"]
    with pytest.raises(OptionError, match=r"no part 'datasets'.*it has: features, graphs, backbones, engines, audit"):
        clear(tmp_path, ["datasets"])


@pytest.mark.parametrize(("text", "size"), [("20 GB", 20 * 10**9), ("1.5kb", 1500), ("7", 7), ("3 M", 3 * 10**6), ("0", 0)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1 GB", "1 XB", "nan", "1e9"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"cache.limit is a size such as '20 GB'"):
        parse_size(text)


def test_the_environment_beats_the_file_which_beats_what_is_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_settings().limit == 20 * 10**9
    store_setting("cache.limit", "5 GB")
    store_setting("cache.storage", "float16")
    assert (cache_settings().limit, cache_settings().storage) == (5 * 10**9, "float16")
    monkeypatch.setenv("TLCORE_CACHE_LIMIT", "1 GB")
    assert cache_settings().limit == 10**9
    monkeypatch.setenv("TLCORE_CACHE_STORAGE", "float8")
    with pytest.raises(OptionError, match=r"cache.storage is 'float32' or 'float16', got 'float8'"):
        cache_settings()


def test_the_command_shows_verifies_and_clears(run_tl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    fill(cache_directory())
    shown = json.loads(run_tl("cache", "info", "--json").stdout)
    assert (len(shown["namespaces"]), shown["limit"], shown["storage"]) == (2, 20 * 10**9, "float32")
    refused = run_tl("cache", "clear", stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert "add --yes" in refused.stderr
    assert namespaces(cache_directory())
    assert "freed" in run_tl("cache", "clear", "--yes").stdout
    assert namespaces(cache_directory()) == []
