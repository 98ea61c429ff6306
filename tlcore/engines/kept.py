"""Files of the cache that end in the digest of the rest, so that a damaged one is not used."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from tlcore.errors import TlcoreError
from tlcore.machine.atomic import write_file

_DIGEST = hashlib.sha256().digest_size


def keep(file: Path, *parts: bytes | memoryview) -> None:
    """Keep the form of a network that an engine runs, in parts; raises `TlcoreError` where that cannot be."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    try:
        write_file(file, *parts, digest.digest())
    except OSError as error:
        raise TlcoreError(
            f"{file}: the network's graph cannot be kept: {error.strerror or error}; "
            f"TLCORE_HOME names another place, --engine torch does without"
        ) from error


def map_kept(file: Path) -> np.ndarray | None:
    """Return what was kept in a file as bytes, (length,) uint8, mapped into memory; None where it is absent or damaged."""
    try:
        whole = np.memmap(file, np.uint8, "c")  # writable, as OpenVINO demands, but never written back
    except (OSError, ValueError):  # there is none, it is empty
        return None
    with suppress(OSError):
        file.touch()  # the time of last use, which eviction goes by
    content, digest = whole[:-_DIGEST], whole[-_DIGEST:]
    return content if hashlib.sha256(content.data).digest() == digest.tobytes() else None
