"""Training by several processes at once, as torchrun starts them: which one this is, and waiting for the others."""

from __future__ import annotations

import os
import sys
from typing import Any


def process_rank() -> int:
    """Return this process's number among those that train together, by ``RANK`` as torchrun sets it; 0 where it is alone."""
    return _number("RANK", 0)


def process_count() -> int:
    """Return how many processes train together, by ``WORLD_SIZE`` as torchrun sets it; 1 where this one is alone."""
    return max(1, _number("WORLD_SIZE", 1))


def is_main_process() -> bool:
    """Return whether this is the process that saves and reports."""
    return process_rank() == 0


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default


def leave_together() -> None:
    """Wait until every process has come here, and end their connection; does nothing for a process alone."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
