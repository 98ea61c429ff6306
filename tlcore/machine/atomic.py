"""Putting a file or a whole directory in place at once: after a kill at any moment there is the old one or the new one."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_FLUSH_TOGETHER = 256
"""Above so many files the system is asked once to write everything out, which is quicker than file by file."""


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Give a directory beside `target` to write into; when the block ends well it becomes `target`, else it is removed.

    An existing `target` is replaced. On Linux the two are exchanged in one step of the kernel; elsewhere the old one is
    moved aside first, and moved back if the second move fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    unfinished.chmod(0o777 & ~_umask())
    try:
        yield unfinished
        _flush_all(unfinished)
        _place(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_file(target: Path, *parts: bytes | memoryview) -> None:
    """Write a file, its parts one after the other, at once: a reader sees the old content or the new, never some of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())
        os.replace(unfinished, target)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _place(unfinished: Path, target: Path) -> None:
    if not target.exists():
        os.replace(unfinished, target)
    elif not _exchange(unfinished, target):
        _swap(unfinished, target)


def _exchange(unfinished: Path, target: Path) -> bool:
    """Exchange two directories atomically; False where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    old, new = os.fsencode(unfinished), os.fsencode(target)
    return bool(renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_EXCHANGE) == 0)


def _swap(unfinished: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}.old")
    os.replace(target, aside)
    try:
        os.replace(unfinished, target)
    except BaseException:
        os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _flush_all(directory: Path) -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if len(files) > _FLUSH_TOGETHER and hasattr(os, "sync"):
        os.sync()
        return
    for path in files:
        _flush(path)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
