"""A picture of what is global in this process, to see whether something changed it."""

from __future__ import annotations

import hashlib
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def process_state() -> dict[str, Any]:
    """Return what is global in this process, by name; values compare equal where nothing changed.

    Numpy, Pillow and torch are looked at only where they are already imported.
    """
    state: dict[str, Any] = {
        "logging handlers": [id(handler) for handler in logging.root.handlers],
        "logging level": (logging.root.level, logging.root.disabled, logging.root.manager.disable),
        "warnings filters": list(warnings.filters),
        "warnings.showwarning": warnings.showwarning,
        "sys.excepthook": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "sys.displayhook": sys.displayhook,
        "sys.path": list(sys.path),
        "sys.meta_path": [id(finder) for finder in sys.meta_path],
        "environment": dict(os.environ),
        "working directory": Path.cwd(),
        "signal handlers": {number: _handler(number) for number in signal.valid_signals()},
        "random state": _digest(repr(random.getstate()).encode()),
        "threads": frozenset(thread.name for thread in threading.enumerate() if thread.is_alive()),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion limit": sys.getrecursionlimit(),
        "standard streams": (id(sys.stdout), id(sys.stderr), id(sys.stdin)),
    }
    return {**state, **_numpy_state(), **_pillow_state(), **_torch_state()}


def advance_random_states() -> None:
    """Draw once from every global generator, so that a plugin that always seeds with one number is seen to change it."""
    random.random()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.random()
    if torch is not None and hasattr(torch, "rand"):
        torch.rand(1)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs between two pictures, in words; things that only one of them knows are not compared.

    >>> changes({"locale": "C"}, {"locale": "C"})
    []
    >>> changes({"environment": {}}, {"environment": {"A": "1"}})
    ['environment (A)']
    """
    changed = [name for name in before if name in after and before[name] != after[name]]
    return [f"{name}{_detail(before[name], after[name])}" for name in changed]


def _detail(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [str(key) for key in {**before, **after} if before.get(key) != after.get(key)]
        return f" ({', '.join(sorted(keys))})"
    if isinstance(before, frozenset) and isinstance(after, frozenset):
        return f" ({', '.join(sorted(map(str, before ^ after)))})"
    return ""


def _numpy_state() -> dict[str, Any]:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return {}
    return {
        "numpy random state": _digest(repr(numpy.random.get_state()[1:]).encode() + numpy.random.get_state()[1].tobytes()),
        "numpy error handling": numpy.geterr(),
        "numpy print options": repr(numpy.get_printoptions()),
    }


def _pillow_state() -> dict[str, Any]:
    image, file = sys.modules.get("PIL.Image"), sys.modules.get("PIL.ImageFile")
    state: dict[str, Any] = {}
    if image is not None:
        state["PIL.Image.MAX_IMAGE_PIXELS"] = image.MAX_IMAGE_PIXELS
    if file is not None:
        state["PIL.ImageFile.LOAD_TRUNCATED_IMAGES"] = file.LOAD_TRUNCATED_IMAGES
    return state


def _torch_state() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return {}
    return {
        "torch random state": _digest(torch.get_rng_state().numpy().tobytes()),
        "torch threads": torch.get_num_threads(),
        "torch default dtype": torch.get_default_dtype(),
        "torch gradient mode": torch.is_grad_enabled(),
        "torch determinism": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
    }


def _handler(number: int) -> object:
    handler = signal.getsignal(number)
    return handler if handler is None or isinstance(handler, int) else id(handler)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
