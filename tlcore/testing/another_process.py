"""Running a function in a fresh Python process, to see that something survives the journey."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tlcore.specs import import_target
from tlcore.testing.conformance import ConformanceFailure

_PROGRAM = "import sys, pickle; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[1])); " + (
    "from tlcore.testing.another_process import answer; answer(sys.argv[2])"
)


def call_elsewhere(target: str, argument: object, timeout: float = 120.0) -> Any:
    """Call ``"package.module:function"`` with one argument in a fresh process and return what it returned.

    The child has this process's ``sys.path``. The argument and the result are pickled.

    Raises:
        ConformanceFailure: it raised, could not be pickled, or took longer than `timeout` seconds.
    """
    with tempfile.TemporaryDirectory() as directory:
        exchange = Path(directory, "exchange.pickle")
        try:
            exchange.write_bytes(pickle.dumps((target, argument)))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConformanceFailure(f"cannot be pickled for another process: {error}") from error
        path = pickle.dumps(sys.path).hex()
        command = [sys.executable, "-c", _PROGRAM, path, str(exchange)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise ConformanceFailure(f"took more than {timeout:g} s in another process") from error
        if done.returncode != 0:
            told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise ConformanceFailure(f"failed in another process: {told[-1]}")
        return pickle.loads(exchange.read_bytes())


def answer(exchange: str) -> None:
    """Run what the parent asked for; the child's side of `call_elsewhere`."""
    file = Path(exchange)
    target, argument = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps(import_target(target)(argument)))
