"""Pooled features on disk, addressed by content: one row per image, shared by every head, comparison and process.

A namespace (one backbone's weights, one preprocessing record, one precision) is a folder of shards. A shard is a file of
rows (image digest, CRC-32 of the row, features) with nothing around them, written under another name and renamed, so it is
either whole or not there; every row is checked when read, so a damaged one is computed again and never returned.
"""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from tlcore.errors import TlcoreError
from tlcore.preprocess import Preprocess

_MERGE_ABOVE = 64
"""A namespace with more shards than this is merged into one when a run ends, so that opening it stays quick."""


@dataclass(frozen=True, kw_only=True)
class FeatureKey:
    """What, besides the image, decides its features.

    Attributes:
        weights_digest: `BackboneInfo.weights_digest`.
        preprocess: how images become input.
        feature_size: length of a row.
        precision: of the arithmetic, for instance ``"float32"``.
    """

    weights_digest: str
    preprocess: Preprocess
    feature_size: int
    precision: str = "float32"

    @property
    def digest(self) -> str:
        """Name of the namespace, 32 hexadecimal digits."""
        text = f"{self.weights_digest} {self.preprocess.digest} {self.feature_size} {self.precision}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class FeatureCache:
    """The features of one `FeatureKey` under a directory. Several processes may read and write it at once.

    Example:
        >>> import tempfile
        >>> key = FeatureKey(weights_digest="0", preprocess=Preprocess(image_size=(8, 8)), feature_size=2)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     cache = FeatureCache(Path(directory), key)
        ...     cache.write({"ab" * 32: np.ones(2, np.float32)})
        ...     sorted(FeatureCache(Path(directory), key).read(["ab" * 32]))
        ['abababababababababababababababababababababababababababababababab']
    """

    def __init__(self, directory: Path, key: FeatureKey) -> None:
        self.directory = directory / "features" / key.digest
        self._row = np.dtype([("digest", "V32"), ("crc", "<u4"), ("features", "<f4", (key.feature_size,))])
        self._index: dict[bytes, tuple[Path, int]] | None = None

    def open(self) -> None:
        """Index the shards on disk. Done at first use otherwise; call it before threads share the cache."""
        self._rows()

    def __contains__(self, digest: str) -> bool:
        return bytes.fromhex(digest) in self._rows()

    def read(self, digests: Iterable[str]) -> dict[str, Float32[np.ndarray, " features"]]:
        """Return image digest to features for those that are here and whole."""
        wanted: dict[Path, list[tuple[str, int]]] = {}
        for digest in digests:
            place = self._rows().get(bytes.fromhex(digest))
            if place is not None:
                wanted.setdefault(place[0], []).append((digest, place[1]))
        found: dict[str, np.ndarray] = {}
        for shard, rows in wanted.items():
            table = self._open(shard)
            if table is None:
                continue
            for digest, index in rows:
                row = table[index]
                features = np.array(row["features"])
                if row["digest"].tobytes() == bytes.fromhex(digest) and int(row["crc"]) == _crc(digest, features):
                    found[digest] = features
                else:
                    self._rows().pop(bytes.fromhex(digest), None)
        return found

    def write(self, rows: Mapping[str, Float32[np.ndarray, " features"]]) -> None:
        """Add rows as one shard, all or none; raises `TlcoreError` where the disk is full or may not be written."""
        if not rows:
            return
        table = np.zeros(len(rows), self._row)
        for index, (digest, features) in enumerate(rows.items()):
            table[index] = (bytes.fromhex(digest), _crc(digest, features), features)
        shard = self._write_shard(table)
        for index, digest in enumerate(rows):
            self._rows()[bytes.fromhex(digest)] = (shard, index)

    def merge(self) -> None:
        """Put many small shards together into one. Safe at any moment: a row may be stored twice, never lost."""
        shards = self._shards()
        if len(shards) <= _MERGE_ABOVE:
            return
        tables = [table for table in map(self._open, shards) if table is not None]
        if tables:
            self._write_shard(np.concatenate(tables))
        del tables
        for shard in shards:
            _remove(shard)
        self._index = None

    def _write_shard(self, table: np.ndarray) -> Path:
        shard = self.directory / f"{uuid.uuid4().hex}.rows"
        unfinished = shard.with_suffix(".tmp")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(table.tobytes())
            os.replace(unfinished, shard)
        except OSError as error:
            _remove(unfinished)
            raise TlcoreError(
                f"{self.directory}: features cannot be kept: {error.strerror or error}; "
                f"TLCORE_HOME names another place, --no-cache does without"
            ) from error
        except BaseException:
            _remove(unfinished)
            raise
        return shard

    def _rows(self) -> dict[bytes, tuple[Path, int]]:
        if self._index is None:
            self._index = {}
            for shard in self._shards():
                table = self._open(shard)
                if table is None:
                    _remove(shard)
                    continue
                raw = np.ascontiguousarray(table["digest"]).tobytes()
                for index in range(len(table)):
                    self._index[raw[32 * index : 32 * index + 32]] = (shard, index)
        return self._index

    def _shards(self) -> Sequence[Path]:
        return sorted(self.directory.glob("*.rows"))

    def _open(self, shard: Path) -> np.ndarray | None:
        """Map a shard; None where it is damaged or gone."""
        try:
            table = np.memmap(shard, self._row, mode="r")
        except (OSError, ValueError):  # gone, empty, or not a whole number of rows
            return None
        return np.asarray(table)


def _crc(digest: str, features: np.ndarray) -> int:
    return zlib.crc32(features.astype("<f4", copy=False).tobytes(), zlib.crc32(bytes.fromhex(digest)))


def _remove(path: Path) -> None:
    # On Windows another process may have it mapped: then it stays, a valid shard, or is removed by the next run.
    with suppress(PermissionError, NotADirectoryError):
        path.unlink(missing_ok=True)
