"""Rows of numbers that move from memory to a temporary file once they are many."""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from tlcore.errors import TlcoreError

_IN_MEMORY = 1 << 16
"""Bytes of an array beyond which it moves to a file."""

_AT_ONCE = 4096
_SPARSE = 8


@runtime_checkable
class Rows(Protocol):
    """Rows that can be picked by their indices, as those of an array in memory can."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Int[np.ndarray, " some"], /) -> np.ndarray: ...


class SpooledArray:
    """An array that is appended to, in memory while it is small, in a nameless temporary file afterwards.

    Args:
        dtype: of its numbers.
        width: numbers in each row; None where a row is one number.
        directory: where the file will be; None for the system's place for temporary files.

    Raises:
        TlcoreError: a file is needed and cannot be written.

    Examples:
        >>> widths = SpooledArray(np.dtype(np.int32))
        >>> widths.append(np.array([500, 300]))
        >>> widths.append(np.array([40]))
        >>> widths[np.array([2, 0])].tolist(), len(widths)
        ([40, 500], 3)
    """

    def __init__(self, dtype: np.dtype, width: int | None = None, directory: Path | None = None) -> None:
        self._dtype = dtype
        self._shape = () if width is None else (width,)
        self._row = dtype.itemsize * (width or 1)
        self._directory = directory
        self._count = 0
        self._file: io.BytesIO | io.FileIO = io.BytesIO()

    def append(self, rows: np.ndarray) -> None:
        """Add rows, (rows, width) or (rows,), at the end."""
        data = rows.astype(self._dtype, copy=False).tobytes()
        try:
            if isinstance(self._file, io.BytesIO) and self._count * self._row + len(data) > _IN_MEMORY:
                self._spool()
            self._write(data)
        except OSError as error:
            place = self._directory or "the folder for temporary files"
            raise TlcoreError(
                f"{place}: what the audit finds cannot be kept while it runs: {error.strerror or error}; make room, or name "
                "another place: TLCORE_HOME, or TMPDIR with --no-cache"
            ) from error
        self._count += len(data) // self._row

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, indices: Int[np.ndarray, " some"]) -> np.ndarray:
        """Return the rows of some indices, (some, width) or (some,)."""
        found = np.empty((len(indices), *self._shape), self._dtype)
        for start in range(0, len(indices), _AT_ONCE):
            part = indices[start : start + _AT_ONCE]
            first, last = int(part.min()), int(part.max())
            if last - first <= _SPARSE * len(part):
                found[start : start + len(part)] = self._read(first, last + 1)[part - first]
            else:
                for place, index in enumerate(part.tolist(), start):
                    found[place] = self._read(index, index + 1)[0]
        return found

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all rows, some thousand at once: the index of the first, and the rows."""
        for start in range(0, self._count, _AT_ONCE):
            yield start, self._read(start, min(start + _AT_ONCE, self._count))

    def whole(self) -> np.ndarray:
        """Return all rows."""
        return self._read(0, self._count)

    def _read(self, start: int, stop: int) -> np.ndarray:
        found = np.empty((stop - start, *self._shape), self._dtype)
        self._file.seek(start * self._row)
        space = found.reshape(-1).view(np.uint8).data
        while len(space):
            space = space[self._file.readinto(space) :]
        return found

    def _spool(self) -> None:
        written = self._file.getvalue()  # type: ignore[union-attr]
        # Without a buffer, which would try to write what a full disk did not take once more when it is closed.
        file: io.FileIO = tempfile.TemporaryFile(buffering=0, dir=self._directory)  # type: ignore[assignment]  # noqa: SIM115
        weakref.finalize(self, file.close)
        self._file = file
        self._write(written)

    def _write(self, data: bytes) -> None:
        self._file.seek(0, io.SEEK_END)
        rest = memoryview(data)
        while len(rest):
            rest = rest[self._file.write(rest) :]
