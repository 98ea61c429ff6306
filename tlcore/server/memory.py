"""Keeping the process small on Linux, where glibc otherwise holds on to what a replaced model or a large image took."""

from __future__ import annotations

import ctypes
import gc
import sys

_ARENA_MAX = -8
"""glibc's M_ARENA_MAX."""


def keep_one_pool() -> None:
    """Have glibc keep one pool, so that memory that one thread's image took can serve the next thread's."""
    if sys.platform == "linux":
        _call("mallopt", _ARENA_MAX, 1)


def give_back() -> None:
    """Return freed memory to the system."""
    gc.collect()
    if sys.platform == "linux":
        _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library; other libraries than glibc lack these, and need them less."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return
    function(*arguments)
