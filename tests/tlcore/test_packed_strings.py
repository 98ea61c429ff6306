from __future__ import annotations

import pytest

from tlcore import packed_strings
from tlcore.packed_strings import PackedStrings, sorted_strings

NAMES = ["Cat/1.jpg", "", "犬/ね こ.png", "bytes-\udcff.jpg", "half a pair \ud800", "tab\tand\nline"]


def test_strings_come_back_as_they_were() -> None:
    packed = PackedStrings(NAMES)
    packed.append("last")
    assert list(packed) == [*NAMES, "last"]
    assert (packed[-1], packed[2], len(packed)) == ("last", NAMES[2], 7)
    assert list(packed[1:4]) == NAMES[1:4]
    with pytest.raises(IndexError):
        packed[7]


def test_more_text_than_four_bytes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_strings, "_FOUR_BYTES", 10)
    assert list(PackedStrings(NAMES)) == NAMES


def test_many_runs_are_one_order() -> None:
    names = [f"{(7919 * index) % 10_007:05d}" for index in range(10_007)]
    assert list(sorted_strings(names)) == sorted(names)
    assert list(sorted_strings([])) == []
