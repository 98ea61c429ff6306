"""Loading a stranger's plugin without letting it change the process: what it prints or changes is noted and undone."""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

SLOW_SECONDS = 1.0
"""Loading that takes longer is noted."""


@contextmanager
def contained(notes: list[str]) -> Iterator[None]:
    """Run a block; afterwards put back what it changed of the process, and note it.

    Put back: standard streams, logging's root handlers and level, warnings filters, exception hooks, environment, signal
    handlers (in the main thread) and the random state. What this thread prints by ``print`` meanwhile is kept from the
    streams and noted. Threads that were started and slow loading are noted; they cannot be undone.

    Args:
        notes: what happened is appended, one line each.
    """
    state = [(name, read(), read, put_back) for name, (read, put_back) in _STATE.items()]
    threads = set(threading.enumerate())
    streams = (sys.stdout, sys.stderr)
    caught = io.StringIO()
    started = time.perf_counter()
    diverted = (cast(TextIO, _Diverted(streams[0], caught)), cast(TextIO, _Diverted(streams[1], caught)))
    sys.stdout, sys.stderr = diverted
    try:
        yield
    finally:
        replaced = (sys.stdout, sys.stderr) != diverted
        sys.stdout, sys.stderr = streams
        notes += _undone(state, replaced)
        printed = " ".join(caught.getvalue().split())
        if printed:
            notes.append(f"prints when it is loaded: {printed[:100]!r}")
        left = sorted(thread.name for thread in set(threading.enumerate()) - threads)
        if left:
            notes.append(f"starts threads when it is loaded: {', '.join(left)}")
        if time.perf_counter() - started > SLOW_SECONDS:
            notes.append(f"takes {time.perf_counter() - started:.1f} s to load")


def _undone(state: list[tuple[str, Any, Callable[[], Any], Callable[[Any], None]]], replaced: bool) -> list[str]:
    changed = ["the standard streams"] if replaced else []
    for name, before, read, put_back in state:
        if read() != before:
            changed.append(name)
            put_back(before)
    return [f"changes {', '.join(changed)} when it is loaded (undone)"] if changed else []


class _Diverted(io.TextIOBase):
    """A stream that keeps what one thread writes, and passes on what the others do."""

    def __init__(self, stream: Any, caught: io.StringIO) -> None:
        self._stream = stream
        self._caught = caught
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return self._caught.write(text)
        return self._stream.write(text) if self._stream is not None else len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _logging() -> tuple[list[logging.Handler], int, int]:
    return list(logging.root.handlers), logging.root.level, logging.root.manager.disable


def _restore_logging(before: tuple[list[logging.Handler], int, int]) -> None:
    logging.root.handlers[:] = before[0]
    logging.root.setLevel(before[1])
    logging.disable(before[2])


def _restore_warnings(before: list[Any]) -> None:
    warnings.resetwarnings()  # which also makes what was already decided be decided anew
    warnings.filters.extend(before)  # type: ignore[attr-defined]


def _hooks() -> tuple[Any, ...]:
    return sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook


def _restore_hooks(before: tuple[Any, ...]) -> None:
    sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook = before


def _restore_environment(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _signals() -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in _WATCHED_SIGNALS}


def _restore_signals(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


_WATCHED_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGCHLD", "SIGALRM", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGBREAK")
    if hasattr(signal, name)
)

_STATE: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "logging": (_logging, _restore_logging),
    "warnings filters": (lambda: list(warnings.filters), _restore_warnings),
    "exception hooks": (_hooks, _restore_hooks),
    "the environment": (lambda: dict(os.environ), _restore_environment),
    "signal handlers": (_signals, _restore_signals),
    "the random state": (random.getstate, random.setstate),
}
