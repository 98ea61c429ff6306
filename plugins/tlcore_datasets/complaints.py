"""Bad rows of a table or a list: all are counted, the first ten are named."""

from __future__ import annotations

from tlcore.errors import DatasetError

_NAMED = 10


class Complaints:
    """What is wrong with a file's rows.

    Args:
        file: how the error calls the file.
        singular, plural: what one bad row, and several, are called.
        remedy: what to do now.

    Examples:
        >>> complaints = Complaints("photos.csv", "bad row", "bad rows", "mend them")
        >>> complaints.add("row 3: no label")
        >>> complaints.raise_if_any()
        Traceback (most recent call last):
        tlcore.errors.DatasetError: photos.csv: 1 bad row: row 3: no label; mend them
    """

    def __init__(self, file: str, singular: str, plural: str, remedy: str = "") -> None:
        self._file = file
        self._words = (singular, plural)
        self._remedy = remedy
        self._first: list[str] = []
        self._count = 0

    def add(self, complaint: str) -> None:
        """Count a bad row."""
        self._count += 1
        if self._count <= _NAMED:
            self._first.append(complaint)

    def raise_if_any(self) -> None:
        """Raise `DatasetError` if a row was bad."""
        if not self._count:
            return
        more = f"; and {self._count - _NAMED:,} more" if self._count > _NAMED else ""
        remedy = f"; {self._remedy}" if self._remedy else ""
        raise DatasetError(
            f"{self._file}: {self._count:,} {self._words[self._count > 1]}: {'; '.join(self._first)}{more}{remedy}"
        )
