"""How many processors this process may use: its affinity, and the quota of its control group (a container's limit)."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Return how many processors this process may use, at least 1.

    >>> available_cores() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(_CGROUP_ROOT)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def cgroup_quota(root: Path) -> float | None:
    """Return the processor quota that a control group's files state, in processors; None where there is none.

    Args:
        root: where the group's files are: ``cpu.max`` (version 2), or ``cpu/cpu.cfs_quota_us`` (version 1).
    """
    unified = _words(root / "cpu.max")
    if len(unified) == 2:
        return _share(unified[0], unified[1])
    quota, period = _words(root / "cpu" / "cpu.cfs_quota_us"), _words(root / "cpu" / "cpu.cfs_period_us")
    return _share(quota[0], period[0]) if quota and period else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _share(quota: str, period: str) -> float | None:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None
