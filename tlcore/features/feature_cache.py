"""Pooled features on disk, addressed by content: one row per image, shared by every head, comparison and process.

A namespace (one backbone's weights, one preprocessing record, one view, one precision) is a folder of shards. A shard is a
file of rows (image digest, CRC-32 of the row, features) with nothing around them, written under another name and renamed, so
it is either whole or not there; every row is checked when read, so a damaged one is computed again and never returned.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from tlcore.errors import TlcoreError
from tlcore.machine.atomic import write_file
from tlcore.preprocess import Preprocess

Storage = Literal["float32", "float16"]

KEY_FILE = "key.json"
"""What a namespace is of, for people: written beside its shards."""

_MERGE_ABOVE = 64
"""A namespace with more small shards than this has them merged when a run ends, so that opening it stays quick."""

_LARGEST = 64 << 20
"""Bytes up to which shards are merged, so that what is seldom used can be dropped on its own."""


@dataclass(frozen=True, kw_only=True)
class FeatureKey:
    """What, besides the image, decides its features.

    Attributes:
        weights_digest: `BackboneInfo.weights_digest`.
        preprocess: how images become input.
        feature_size: length of a row.
        precision: of the arithmetic, for instance ``"float32"``; engines of equal precision share rows.
        view: of the image, `tlcore.features.views.View.name`.
        storage: ``"float16"`` halves what rows take; what is read, and used, is then what was rounded.
    """

    weights_digest: str
    preprocess: Preprocess
    feature_size: int
    precision: str = "float32"
    view: str = ""
    storage: Storage = "float32"

    @property
    def digest(self) -> str:
        """Name of the namespace, 32 hexadecimal digits."""
        text = f"{self.weights_digest} {self.preprocess.digest} {self.feature_size} {self.precision}"
        added = f" {self.view} {self.storage}"
        return hashlib.sha256((text if added == "  float32" else text + added).encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, object]:
        """Return the key as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "preprocess": self.preprocess.to_dict()}


class FeatureCache:
    """The features of one `FeatureKey` under a directory. Several processes may read and write it at once.

    Examples:
        >>> import tempfile
        >>> key = FeatureKey(weights_digest="0", preprocess=Preprocess(image_size=(8, 8)), feature_size=2)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     cache = FeatureCache(Path(directory), key)
        ...     _ = cache.write({"ab" * 32: np.ones(2, np.float32)})
        ...     sorted(FeatureCache(Path(directory), key).read(["ab" * 32]))
        ['abababababababababababababababababababababababababababababababab']
    """

    def __init__(self, directory: Path, key: FeatureKey) -> None:
        self.directory = directory / "features" / key.digest
        self._key = key
        self._row = row_type(key.feature_size, key.storage)
        self._index: dict[bytes, tuple[Path, int]] | None = None
        self._used: set[Path] = set()

    def open(self) -> None:
        """Index the shards on disk. Done at first use otherwise; call it before threads share the cache."""
        self._places()

    def __contains__(self, digest: str) -> bool:
        return bytes.fromhex(digest) in self._places()

    def read(self, digests: Iterable[str]) -> dict[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those that are here and whole."""
        return dict(self.rows(digests))

    def rows(self, digests: Iterable[str]) -> Iterator[tuple[str, Float32[np.ndarray, " features"]]]:
        """Give (image digest, features) of those that are here and whole, shard by shard; the damaged are taken out."""
        wanted: dict[Path, list[tuple[str, int]]] = {}
        for digest in digests:
            place = self._places().get(bytes.fromhex(digest))
            if place is not None:
                wanted.setdefault(place[0], []).append((digest, place[1]))
        for shard, entries in wanted.items():
            table = read_shard(shard, self._row)
            if table is None:
                continue
            self._used.add(shard)
            damaged = False
            for digest, index in entries:
                row = table[index]
                if row["digest"].tobytes() == bytes.fromhex(digest) and is_whole(row):
                    yield digest, row["features"].astype(np.float32)
                else:
                    damaged = True
            if damaged:
                self._mend(shard, table)

    def write(self, rows: Mapping[str, Float32[np.ndarray, " features"]]) -> dict[str, Float32[np.ndarray, " features"]]:
        """Add rows as one shard, all or none; returns them as they will be read.

        Raises:
            TlcoreError: the disk is full or may not be written, or features are too large for float16.
        """
        if not rows:
            return {}
        table = np.zeros(len(rows), self._row)
        with np.errstate(over="ignore"):
            for index, (digest, features) in enumerate(rows.items()):
                table[index]["digest"] = bytes.fromhex(digest)
                table[index]["features"] = features
                table[index]["crc"] = row_crc(table[index])
        if not np.isfinite(table["features"]).all():
            raise TlcoreError("features exceed what float16 holds (65504); set cache.storage to float32")
        shard = self._write_shard(table)
        for index, digest in enumerate(rows):
            self._places()[bytes.fromhex(digest)] = (shard, index)
        return {digest: table[index]["features"].astype(np.float32) for index, digest in enumerate(rows)}

    def close(self) -> None:
        """End a run: merge small shards, and note which ones were used, for eviction goes by that."""
        if self._used:
            with suppress(OSError):
                self._describe()
        for shard in self._used:
            with suppress(OSError):
                os.utime(shard)
        self._used.clear()
        self.merge()

    def merge(self) -> None:
        """Put many small shards together. Safe at any moment: a row may be stored twice, never lost."""
        small = [shard for shard in self._shards() if _size(shard) < _LARGEST // 2]
        if len(small) <= _MERGE_ABOVE:
            return
        at_once: list[Path] = []
        for shard in [*small, None]:
            if shard is None or (at_once and sum(map(_size, [*at_once, shard])) > _LARGEST):
                self._merge_some(at_once)
                at_once = []
            if shard is not None:
                at_once.append(shard)
        self._index = None

    def _merge_some(self, shards: Sequence[Path]) -> None:
        tables = [table for table in (read_shard(shard, self._row) for shard in shards) if table is not None]
        if tables:
            self._write_shard(np.concatenate(tables))
        del tables
        for shard in shards:
            remove(shard)

    def _mend(self, shard: Path, table: np.ndarray) -> None:
        """Replace a shard by its whole rows, so that damaged ones are found missing and computed again."""
        whole = table[[is_whole(row) for row in table]]
        if len(whole):
            self._write_shard(whole)
        remove(shard)
        self._index = None

    def _write_shard(self, table: np.ndarray) -> Path:
        shard = self.directory / f"{uuid.uuid4().hex}.rows"
        unfinished = shard.with_suffix(".tmp")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_bytes(table.tobytes())
            except FileNotFoundError:  # the cache was cleared in that moment
                self.directory.mkdir(parents=True, exist_ok=True)
                unfinished.write_bytes(table.tobytes())
            os.replace(unfinished, shard)
            self._describe()
        except OSError as error:
            remove(unfinished)
            raise TlcoreError(
                f"{self.directory}: features cannot be kept: {error.strerror or error}; "
                f"TLCORE_HOME names another place, --no-cache does without"
            ) from error
        except BaseException:
            remove(unfinished)
            raise
        self._used.add(shard)
        return shard

    def _describe(self) -> None:
        """Say beside the shards what they hold, where it is not said."""
        if not (self.directory / KEY_FILE).exists():
            write_file(self.directory / KEY_FILE, json.dumps(self._key.to_dict()).encode())

    def _places(self) -> dict[bytes, tuple[Path, int]]:
        if self._index is None:
            self._index = {}
            for shard in self._shards():
                table = read_shard(shard, self._row)
                if table is None:
                    remove(shard)
                    continue
                raw = np.ascontiguousarray(table["digest"]).tobytes()
                for index in range(len(table)):
                    self._index[raw[32 * index : 32 * index + 32]] = (shard, index)
        return self._index

    def _shards(self) -> Sequence[Path]:
        return sorted(self.directory.glob("*.rows"))


def row_type(feature_size: int, storage: str) -> np.dtype:
    """Return the type of a shard's rows."""
    return np.dtype(
        [("digest", "V32"), ("crc", "<u4"), ("features", "<f2" if storage == "float16" else "<f4", (feature_size,))]
    )


def read_shard(shard: Path, row: np.dtype) -> np.ndarray | None:
    """Map a shard; None where it is damaged or gone."""
    try:
        table = np.memmap(shard, row, mode="r")
    except (OSError, ValueError):  # gone, empty, or not a whole number of rows
        return None
    return np.asarray(table)


def row_crc(row: np.void) -> int:
    """Return the CRC-32 of a row's digest and features."""
    return zlib.crc32(row["features"].tobytes(), zlib.crc32(row["digest"].tobytes()))


def is_whole(row: np.void) -> bool:
    """Tell whether a row is as it was written."""
    return int(row["crc"]) == row_crc(row)


def remove(path: Path) -> None:
    """Remove a file of the cache; one that another process has mapped, on Windows, stays until the next run."""
    with suppress(PermissionError, NotADirectoryError):
        path.unlink(missing_ok=True)


def _size(shard: Path) -> int:
    try:
        return shard.stat().st_size
    except OSError:
        return 0
