"""The cache as a whole: what is in it, whether it is sound, and what goes when it grows too large."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlcore.errors import OptionError, TlcoreError, did_you_mean
from tlcore.features.feature_cache import KEY_FILE, is_whole, read_shard, remove, row_type
from tlcore.progress import Progress, ProgressEvent, silent

PARTS = {
    "features": "pooled features of images, by content",
    "graphs": "networks exported to graphs, in the forms that engines run",
    "backbones": "what networks say of themselves, so that they need not be built to be asked",
    "engines": "which engine was measured to be the quickest",
    "audit": "what the audit found in images",
    "judgements": "what comparisons found of networks and heads",
    "costs": "how fast networks are on this machine",
}
"""Every part may be deleted at any time; what is missing is computed again. Downloaded data sets are no part of it."""


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """The features of one network, preprocessing, view and precision.

    Attributes:
        name: its folder.
        size: bytes.
        rows: how many images; 0 where it does not say what it holds.
        used: when it was last used, in seconds since the epoch.
        key: `FeatureKey.to_dict` of it; empty where it does not say.
    """

    name: str
    size: int
    rows: int
    used: float
    key: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What verifying the cache found.

    Attributes:
        rows: how many rows are whole.
        damaged: how many were not, and were taken out.
        files: how many files could not be read at all, and were removed.
    """

    rows: int
    damaged: int
    files: int

    def to_dict(self) -> dict[str, int]:
        """Return it as JSON-ready values."""
        return asdict(self)


def part_sizes(directory: Path) -> dict[str, int]:
    """Return part of the cache to the bytes it takes."""
    return {part: sum(size for _, size, _ in _files(directory / part)) for part in PARTS}


def namespaces(directory: Path) -> list[Namespace]:
    """Return the feature namespaces, the last used first."""
    found = []
    for folder in _folders(directory):
        files = list(_files(folder))
        if not any(path.suffix == ".rows" for path, _, _ in files):
            continue
        key = _key(folder)
        width = row_type(key["feature_size"], key["storage"]).itemsize if key else 0
        rows = sum(size // width for path, size, _ in files if path.suffix == ".rows") if width else 0
        size, used = sum(entry[1] for entry in files), max((entry[2] for entry in files), default=0.0)
        found.append(Namespace(name=folder.name, size=size, rows=rows, used=used, key=key))
    return sorted(found, key=lambda namespace: -namespace.used)


def verify(directory: Path, *, progress: Progress = silent) -> Verification:
    """Check every row against its checksum; damaged ones are taken out, so that they are computed again."""
    shards = [shard for folder in _folders(directory) for shard in sorted(folder.glob("*.rows"))]
    rows = damaged = files = 0
    for done, shard in enumerate(shards):
        progress(ProgressEvent("verifying", done, len(shards)))
        key = _key(shard.parent)
        table = read_shard(shard, row_type(key["feature_size"], key["storage"])) if key else None
        if table is None:
            remove(shard)
            files += 1
            continue
        whole = [is_whole(row) for row in table]
        rows, damaged = rows + sum(whole), damaged + len(whole) - sum(whole)
        if not all(whole):
            kept = table[whole].tobytes()
            unfinished = shard.with_suffix(".tmp")
            unfinished.write_bytes(kept)
            unfinished.replace(shard)
            if not kept:
                remove(shard)
    progress(ProgressEvent("verifying", len(shards), len(shards)))
    return Verification(rows=rows, damaged=damaged, files=files)


def clear(directory: Path, parts: Sequence[str] = ()) -> int:
    """Remove parts of the cache, all of them by default; returns the bytes that were freed.

    Raises:
        OptionError: there is no such part.
        TlcoreError: it may not be removed.
    """
    for part in parts:
        if part not in PARTS:
            hint = did_you_mean(part, PARTS) or ";"
            raise OptionError(f"the cache has no part {part!r}{hint} it has: {', '.join(PARTS)}")
    sizes = part_sizes(directory)
    chosen = list(dict.fromkeys(parts)) or list(PARTS)
    for part in chosen:
        try:
            shutil.rmtree(directory / part)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TlcoreError(f"{directory / part}: cannot be removed: {error.strerror or error}") from error
    return sum(sizes[part] for part in chosen)


def evict(directory: Path, limit: int) -> int:
    """Remove the shards and graphs that were not used for longest until the rest takes at most `limit` bytes.

    Another process that was about to read one of them computes its rows again. Returns the bytes that were freed.
    """
    files = [entry for part in ("features", "graphs") for entry in _files(directory / part) if entry[0].name != KEY_FILE]
    over = total = sum(size for _, size, _ in files)
    for path, size, _ in sorted(files, key=lambda entry: entry[2]):
        if over <= limit:
            break
        remove(path)
        over -= size
    return total - over


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in (directory / "features").iterdir() if path.is_dir())
    except OSError:
        return []


def _files(directory: Path) -> Iterator[tuple[Path, int, float]]:
    """Give every file below a directory with its size in bytes and when it was last used; files may vanish meanwhile."""
    for path in sorted(directory.rglob("*")):
        with suppress(OSError):
            status = path.stat()
            if path.is_file():
                yield path, status.st_size, status.st_mtime


def _key(folder: Path) -> dict[str, Any]:
    """Return what a namespace says it holds; empty where it does not, or not well."""
    try:
        key = json.loads((folder / KEY_FILE).read_text(encoding="utf-8"))
        return key if int(key["feature_size"]) > 0 and key["storage"] in ("float32", "float16") else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
