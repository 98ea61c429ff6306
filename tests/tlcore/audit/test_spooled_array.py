from __future__ import annotations

import errno
import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tlcore.audit import spooled_array
from tlcore.audit.duplicates import equal_sets
from tlcore.audit.inspection import Inspection
from tlcore.audit.spooled_array import SpooledArray
from tlcore.audit.table import Inspected, InspectionTable
from tlcore.errors import TlcoreError

ROWS = np.arange(20_000 * 3, dtype=np.int32).reshape(-1, 3)


def filled(directory: Path | None = None) -> SpooledArray:
    array = SpooledArray(np.dtype(np.int32), 3, directory)
    for start in range(0, len(ROWS), 100):
        array.append(ROWS[start : start + 100])
    return array


@pytest.mark.parametrize("limit", [100, 1 << 30], ids=["in a file", "in memory"])
def test_rows_come_back_as_they_were(limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spooled_array, "_IN_MEMORY", limit)
    array = filled(tmp_path)
    assert len(array) == len(ROWS)
    assert np.array_equal(array.whole(), ROWS)
    for indices in (np.arange(5, 15_000), np.array([19_999, 0, 7, 7]), np.arange(0, 20_000, 50), np.array([], np.int64)):
        assert np.array_equal(array[indices], ROWS[indices])
    assert np.array_equal(np.concatenate([rows for _, rows in array.blocks()]), ROWS)
    assert [start for start, _ in array.blocks()] == list(range(0, len(ROWS), 4096))
    assert list(tmp_path.iterdir()) == []  # the file has no name, so nothing is left whatever happens


def test_single_numbers() -> None:
    array = SpooledArray(np.dtype(np.bool_))
    array.append(np.array([True, False]))
    array.append(np.array([], bool))
    assert array.whole().tolist() == [True, False]


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Full(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(**_: object) -> io.FileIO:
        return Full(tmp_path / "full", "w+")

    monkeypatch.setattr(spooled_array, "_IN_MEMORY", 100)
    monkeypatch.setattr(spooled_array.tempfile, "TemporaryFile", full)
    with pytest.raises(TlcoreError, match=r"kept while it runs: No space left on device; make room, or name another place"):
        filled()


def test_a_table_of_inspections_takes_no_more_memory_for_more_images() -> None:
    random = np.random.default_rng(0)
    tracemalloc.start()
    table = InspectionTable()
    for _ in range(400):
        digests = random.integers(0, 256, (50, 32), np.uint8)
        look = Inspection(format="PNG", width=40, height=40, spread=50.0)
        table.append([Inspected(digest.tobytes(), look, known=False) for digest in digests])
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 20_000
    assert max(held, peak) < 2_000_000  # bytes; the rows are 2,500,000
    assert equal_sets(table.digest) == []
