"""A table of photos as a dataset: CSV, TSV, Parquet or JSON lines with a path and a label in each row."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlcore.dataset import ALL, SPLIT_NAMES, Dataset, LeftOut
from tlcore.errors import DatasetError, did_you_mean
from tlcore.packed_samples import FolderImages, SampleStore, select_samples
from tlcore_datasets import TableOptions
from tlcore_datasets.complaints import Complaints
from tlcore_datasets.layout import SPLIT_FOLDERS
from tlcore_datasets.table_rows import Row, Table, open_table


def read_table(argument: str | None, options: TableOptions) -> Dataset:
    """Read a table whose rows name photos, relative to the table's folder or to the option ``root``.

    Raises:
        DatasetError: no such table or columns, another encoding, or bad rows: files that are not there, no label, an unknown
            split, one file with two labels. All bad rows are counted, the first ten are named.
    """
    if not argument:
        raise DatasetError("csv, parquet and jsonl need a path, for instance 'csv:photos.csv'")
    path = Path(argument).expanduser()
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file")
    columns = _columns(path, open_table(path, options), options)
    reader = _RowReader(path, options, columns, _repeated(open_table(path, options), columns.path))
    for row in open_table(path, options).rows:
        reader.read(row)
    return reader.dataset(str(argument))


def _repeated(table: Table, column: str) -> set[int]:
    """Return the hashes of paths that may be there twice; what stands in their rows is kept for comparing, nobody else's."""
    hashes = np.fromiter((hash(os.path.normpath(_text(row.values.get(column)))) for row in table.rows), np.int64)
    hashes.sort()
    return set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


@dataclass(frozen=True)
class _Columns:
    path: str
    label: str
    split: str | None
    group: str | None
    metadata: tuple[str, ...]


def _columns(path: Path, table: Table, options: TableOptions) -> _Columns:
    """Return which columns hold what; the split and group columns are optional where they are not asked for by name.

    All other columns are kept as metadata.
    """
    asked = {
        "path": options.path_column,
        "label": options.label_column,
        "split": options.split_column,
        "group": options.group_column,
    }
    unknown = {kind: name for kind, name in asked.items() if name is not None and name not in table.columns}
    if unknown:
        said = " ".join(f"has no column {name!r}{did_you_mean(name, table.columns) or ';'}" for name in unknown.values())
        raise DatasetError(
            f"{path}: {said} it has {', '.join(table.columns) or 'none'}; name the right "
            f"{'one' if len(unknown) == 1 else 'ones'} with "
            f"{' '.join(f'--set dataset.{kind}_column=NAME' for kind in unknown)}"
        )
    optional = {kind: asked[kind] or (kind if kind in table.columns else None) for kind in ("split", "group")}
    taken = {options.path_column, options.label_column, *optional.values()}
    metadata = tuple(name for name in table.columns if name and name not in taken)
    return _Columns(options.path_column, options.label_column, optional["split"], optional["group"], metadata)


@dataclass(frozen=True)
class _Photo:
    row: str
    label: str
    split: str
    group: str


class _RowReader:
    """Takes rows one by one; complains of bad ones together at the end.

    Args:
        table: the file.
        options: how it is read.
        columns: which hold what.
        repeated: hashes of paths that may be there twice.
    """

    def __init__(self, table: Path, options: TableOptions, columns: _Columns, repeated: set[int]) -> None:
        self._table = table
        self._columns = columns
        self._root = str(options.root.expanduser() if options.root is not None else table.parent)
        self._store = SampleStore(FolderImages(self._root), columns.metadata)
        self._label_of: dict[str, int] = {}
        self._splits: dict[str, array[int]] = {}
        self._unsaid = self._complaints_of("row without a split", "rows without a split", "give all rows one or none")
        self._bad = self._complaints_of("bad row", "bad rows", "mend or remove them")
        self._repeated = repeated
        self._earlier: dict[str, _Photo] = {}
        self._left_out: list[LeftOut] = []

    def read(self, row: Row) -> None:
        complaint = row.problem or self._take(row.label, row.values)
        if complaint:
            self._bad.add(f"{row.label}: {complaint}")

    def dataset(self, name: str) -> Dataset:
        self._bad.raise_if_any()
        if not self._splits:
            raise DatasetError(f"{self._table}: has no rows; each names a photo and its label")
        if ALL in self._splits and len(self._splits) > 1:
            self._unsaid.raise_if_any()
        class_names = tuple(sorted(self._label_of, key=_in_order))
        self._store.renumber({self._label_of[class_name]: label for label, class_name in enumerate(class_names)})
        samples = self._store.samples()
        return Dataset(
            name=name,
            class_names=class_names,
            splits={
                split: select_samples(samples, self._splits[split]) for split in (ALL, *SPLIT_NAMES) if split in self._splits
            },
            left_out=tuple(self._left_out),
        )

    def _take(self, row: str, values: Mapping[str, object]) -> str:
        """Add a row's photo; returns what is wrong with the row, or nothing."""
        text, label = _text(values.get(self._columns.path)), _text(values.get(self._columns.label))
        if not text or not label:
            return f"no {'path' if not text else 'label'}"
        said = _text(values.get(self._columns.split)) if self._columns.split is not None else ""
        split = SPLIT_FOLDERS.get(said.lower()) if said else ALL
        if split is None:
            return f"unknown split {said!r}, expected train, validation or test"
        group = _text(values.get(self._columns.group)) if self._columns.group is not None else ""
        photo = _Photo(row, label, split, group)
        same = os.path.normpath(text)
        if same in self._earlier:
            return self._again(text, self._earlier[same], photo)
        if not os.path.isfile(os.path.join(self._root, text)):
            return f"{Path(self._root, text)} is not there"
        if hash(same) in self._repeated:
            self._earlier[same] = photo
        if split == ALL:
            self._unsaid.add(row)
        self._splits.setdefault(split, array("i")).append(len(self._store.labels))
        metadata = [_text(values.get(column)) for column in self._columns.metadata]
        self._store.add(text, self._label_of.setdefault(label, len(self._label_of)), group, metadata)
        return ""

    def _again(self, text: str, earlier: _Photo, photo: _Photo) -> str:
        for what in ("label", "split", "group"):
            first, second = getattr(earlier, what), getattr(photo, what)
            if first != second:
                return f"{text} has the {what} {second or None!r} here and {first or None!r} in {earlier.row}"
        self._left_out.append(LeftOut(text, f"{text}: {photo.row} repeats {earlier.row}"))
        return ""

    def _complaints_of(self, singular: str, plural: str, remedy: str) -> Complaints:
        return Complaints(str(self._table), singular, plural, remedy)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _in_order(label: str) -> tuple[int, int, str]:
    """Sort numbers by value, before any text."""
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)
