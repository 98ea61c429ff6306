"""The rows of CSV, TSV, Parquet and JSON lines files, one after the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlcore.errors import DatasetError
from tlcore_datasets import TableOptions

_DELIMITERS = ",;\t|"
_BATCH = 4096


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        label: how messages call it, for instance ``"row 3"``; the first row below the heading is row 2, as in a spreadsheet.
        values: column name to value.
        problem: why the row cannot be read at all, or empty.
    """

    label: str
    values: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """The columns a table has, and its rows, read as they are asked for."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def open_table(path: Path, options: TableOptions) -> Table:
    """Open a table by its name's ending; raises `DatasetError` where it cannot be read or is empty."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return _open_parquet(path)
    if suffix in (".jsonl", ".ndjson"):
        return _open_json_lines(path, options)
    return _open_csv(path, options)


def _open_csv(path: Path, options: TableOptions) -> Table:
    rows = _csv_rows(path, options)
    heading = next(rows, None)
    if heading is None:
        raise DatasetError(f"{path}: is empty; its first line should name the columns, for instance path,label")
    columns = tuple(name.strip() for name in heading)
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise DatasetError(f"{path}: has two columns called {repeated[0]!r}; rename one")
    return Table(columns, _named(columns, rows))


def _named(columns: tuple[str, ...], rows: Iterator[list[str]]) -> Iterator[Row]:
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            yield Row(f"row {number}", problem=f"{len(cells)} cells, but {len(columns)} columns (a comma without quotes?)")
        else:
            yield Row(f"row {number}", dict(zip(columns, cells, strict=False)))


def _csv_rows(path: Path, options: TableOptions) -> Iterator[list[str]]:
    try:
        with path.open(encoding=options.encoding, newline="") as file:
            delimiter = options.delimiter or _delimiter(path, file.readline(), options.path_column)
            file.seek(0)
            yield from csv.reader(file, delimiter=delimiter)
    except (UnicodeError, LookupError) as error:
        raise _encoding_error(path, options, error) from error
    except (csv.Error, TypeError) as error:
        raise DatasetError(f"{path}: not a table that can be read: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


def _delimiter(path: Path, heading: str, path_column: str) -> str:
    """Return the delimiter that makes the path column appear in the heading; a comma, or a tab in .tsv, otherwise."""
    for delimiter in _DELIMITERS:
        if len(cells := next(csv.reader([heading], delimiter=delimiter), [])) > 1 and path_column in map(str.strip, cells):
            return delimiter
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _open_json_lines(path: Path, options: TableOptions) -> Table:
    """The columns of JSON lines are those of the first row that can be read."""
    columns = next((tuple(map(str, row.values)) for row in _json_rows(path, options) if not row.problem), ())
    return Table(columns, _json_rows(path, options))


def _json_rows(path: Path, options: TableOptions) -> Iterator[Row]:
    try:
        with path.open(encoding=options.encoding) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    values = json.loads(line)
                except ValueError as error:
                    yield Row(f"line {number}", problem=f"not JSON ({error})")
                    continue
                if isinstance(values, dict):
                    yield Row(f"line {number}", values)
                else:
                    yield Row(f"line {number}", problem="not a JSON object")
    except (UnicodeError, LookupError) as error:
        raise _encoding_error(path, options, error) from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


def _open_parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise DatasetError(f"{path}: reading Parquet needs the package 'pyarrow': pip install 'tlcore[tables]'") from error
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: not a Parquet file that can be read: {error}") from error

    def rows() -> Iterator[Row]:
        number = 0
        for batch in file.iter_batches(_BATCH):
            for values in batch.to_pylist():
                number += 1
                yield Row(f"row {number}", values)

    return Table(tuple(file.schema_arrow.names), rows())


def _encoding_error(path: Path, options: TableOptions, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path}: is not in the encoding {options.encoding!r} ({error}); name the right one, for instance "
        "--set dataset.encoding=cp1252 or utf-16"
    )
