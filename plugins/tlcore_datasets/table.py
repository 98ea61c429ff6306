"""A table of photos as a dataset: CSV, TSV, Parquet or JSON lines with a path and a label in each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlcore.dataset import ALL, SPLIT_NAMES, Dataset, LeftOut, Sample
from tlcore.errors import DatasetError, did_you_mean
from tlcore.images import FileImage
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
    table = open_table(path, options)
    reader = _RowReader(path, options, _columns(path, table, options))
    for row in table.rows:
        reader.read(row)
    return reader.dataset(str(argument))


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
    for wanted, option in ((options.path_column, "path"), (options.label_column, "label")):
        if wanted not in table.columns:
            hint = did_you_mean(wanted, table.columns) or ";"
            raise DatasetError(
                f"{path}: has no column {wanted!r}{hint} it has {', '.join(table.columns) or 'none'}; name the right one "
                f"with --set dataset.{option}_column=NAME"
            )
    optional = {}
    for kind, asked in (("split", options.split_column), ("group", options.group_column)):
        if asked is not None and asked not in table.columns:
            hint = did_you_mean(asked, table.columns) or ";"
            raise DatasetError(f"{path}: has no column {asked!r}{hint} it has {', '.join(table.columns)}")
        optional[kind] = asked or (kind if kind in table.columns else None)
    taken = {options.path_column, options.label_column, *optional.values()}
    metadata = tuple(name for name in table.columns if name and name not in taken)
    return _Columns(options.path_column, options.label_column, optional["split"], optional["group"], metadata)


@dataclass(frozen=True)
class _Photo:
    row: str
    file: Path
    label: str
    split: str
    group: str | None
    metadata: tuple[tuple[str, str], ...]


@dataclass
class _RowReader:
    """Takes rows one by one; complains of bad ones together at the end."""

    table: Path
    options: TableOptions
    columns: _Columns
    photos: dict[str, _Photo] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._root = self.options.root.expanduser() if self.options.root is not None else self.table.parent
        self._complaints = Complaints(str(self.table), "bad row", "bad rows", "mend or remove them")

    def read(self, row: Row) -> None:
        complaint = row.problem or self._take(row.label, row.values)
        if complaint:
            self._complaints.add(f"{row.label}: {complaint}")

    def dataset(self, name: str) -> Dataset:
        self._complaints.raise_if_any()
        if not self.photos:
            raise DatasetError(f"{self.table}: has no rows; each names a photo and its label")
        class_names = sorted({photo.label for photo in self.photos.values()}, key=_in_order)
        label_of = {label: index for index, label in enumerate(class_names)}
        splits: dict[str, list[Sample]] = {}
        for text, photo in self.photos.items():
            splits.setdefault(photo.split, []).append(
                Sample(FileImage(photo.file), text, label_of[photo.label], photo.group, photo.metadata)
            )
        if ALL in splits and len(splits) > 1:
            unsaid = [photo.row for photo in self.photos.values() if photo.split == ALL]
            complaints = Complaints(
                str(self.table), "row without a split", "rows without a split", "give all rows one or none"
            )
            for row in unsaid:
                complaints.add(row)
            complaints.raise_if_any()
        return Dataset(
            name=name,
            class_names=tuple(class_names),
            splits={split: tuple(splits[split]) for split in (ALL, *SPLIT_NAMES) if split in splits},
            left_out=tuple(self.left_out),
        )

    def _take(self, row: str, values: Mapping[str, object]) -> str:
        """Add a row's photo; returns what is wrong with the row, or nothing."""
        text, label = _text(values.get(self.columns.path)), _text(values.get(self.columns.label))
        if not text or not label:
            return f"no {'path' if not text else 'label'}"
        said = _text(values.get(self.columns.split)) if self.columns.split is not None else ""
        split = SPLIT_FOLDERS.get(said.lower()) if said else ALL
        if split is None:
            return f"unknown split {said!r}, expected train, validation or test"
        group = _text(values.get(self.columns.group)) if self.columns.group is not None else ""
        metadata = tuple((name, _text(values.get(name))) for name in self.columns.metadata)
        photo = _Photo(row, self._root / text, label, split, group or None, metadata)
        earlier = self.photos.get(text)
        if earlier is not None:
            return self._again(text, earlier, photo)
        if not photo.file.is_file():
            return f"{photo.file} is not there"
        self.photos[text] = photo
        return ""

    def _again(self, text: str, earlier: _Photo, photo: _Photo) -> str:
        for what in ("label", "split", "group"):
            first, second = getattr(earlier, what), getattr(photo, what)
            if first != second:
                return f"{text} has the {what} {second!r} here and {first!r} in {earlier.row}"
        self.left_out.append(LeftOut(text, f"{text}: {photo.row} repeats {earlier.row}"))
        return ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _in_order(label: str) -> tuple[int, int, str]:
    """Sort numbers by value, before any text."""
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)
