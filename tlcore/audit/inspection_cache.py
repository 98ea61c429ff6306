"""Inspections on disk, by the digest of the image's bytes, so that a second audit decodes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from threading import Lock

import PIL

from tlcore.audit.inspection import VERSION, Inspection
from tlcore.errors import TlcoreError

_COLUMNS = tuple(field.name for field in fields(Inspection))
_values = attrgetter(*_COLUMNS)
_REMEDY = "TLCORE_HOME names another place, --no-cache does without"


class InspectionCache:
    """Inspections by SHA-256 of the encoded bytes, in one SQLite file; several processes and threads may use it at once.

    Args:
        directory: the cache directory; the file's name holds the version of Pillow, which decides what can be decoded.

    Raises:
        TlcoreError: the file cannot be made or read.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     cache = InspectionCache(Path(directory))
        ...     cache.write([(bytes(32), Inspection(format="PNG", width=3, height=2))])
        ...     found = cache.read([bytes(32), bytes(31) + b"1"])
        ...     cache.close()
        >>> [inspection.width for inspection in found.values()]
        [3]
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "audit" / f"inspections-{VERSION}-pillow-{PIL.__version__}.sqlite3"
        self._lock = Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            told = error.strerror if isinstance(error, OSError) else error
            raise TlcoreError(f"{self.path}: what the audit finds cannot be kept: {told}; {_REMEDY}") from error

    def read(self, digests: Sequence[bytes]) -> dict[bytes, Inspection]:
        """Return digest to inspection for those of up to 500 images that are known."""
        query = f"SELECT digest, {', '.join(_COLUMNS)} FROM inspections WHERE digest IN ({_marks(len(digests))})"
        try:
            with self._lock:
                rows = self._connection.execute(query, tuple(digests)).fetchall()
        except sqlite3.Error as error:
            raise TlcoreError(f"{self.path}: what earlier audits found cannot be read: {error}; delete the file") from error
        return {digest: Inspection(**dict(zip(_COLUMNS, values, strict=True))) for digest, *values in rows}

    def write(self, rows: Iterable[tuple[bytes, Inspection]]) -> None:
        """Add (digest, inspection) pairs, all or none."""
        columns = ", ".join(("digest", *_COLUMNS))
        statement = f"INSERT OR REPLACE INTO inspections ({columns}) VALUES ({_marks(1 + len(_COLUMNS))})"
        try:
            with self._lock, self._connection:
                self._connection.executemany(statement, [(digest, *_values(inspection)) for digest, inspection in rows])
        except sqlite3.Error as error:
            raise TlcoreError(f"{self.path}: what the audit finds cannot be kept: {error}; {_REMEDY}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.path.unlink()  # damaged; it is only a cache of ours
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60.0, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -512")  # KiB; more gains nothing, as digests come in no order
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS inspections (digest BLOB PRIMARY KEY, problem TEXT, format TEXT,"
                    " width INTEGER, height INTEGER, spread REAL, hash BLOB, colours BLOB) WITHOUT ROWID"
                )
        except sqlite3.Error:
            connection.close()
            raise
        return connection


@contextmanager
def opened_cache(directory: Path | None) -> Iterator[InspectionCache | None]:
    """Give the cache of a directory, closed afterwards; None where there is no directory."""
    if directory is None:
        yield None
        return
    cache = InspectionCache(directory)
    try:
        yield cache
    finally:
        cache.close()


def _marks(count: int) -> str:
    return ", ".join("?" * count)
