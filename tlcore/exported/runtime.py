"""onnxruntime, imported and set up the way tlcore runs it: no telemetry, no spinning, the cores this process may use."""

from __future__ import annotations

import os
import sys
from typing import Any

from tlcore.errors import ModelFileError
from tlcore.machine.cores import available_cores

_TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime() -> Any:
    """Import onnxruntime with its telemetry off, and return it.

    onnxruntime decides by an environment variable while it is imported. The variable is set for that moment alone and put
    back, so that a program that embeds tlcore keeps its own environment; where the program has imported onnxruntime before,
    the choice it made stays.
    """
    if "onnxruntime" in sys.modules:
        return sys.modules["onnxruntime"]
    before = os.environ.get(_TELEMETRY_SWITCH)
    os.environ[_TELEMETRY_SWITCH] = "1"
    try:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
    finally:
        if before is None:
            del os.environ[_TELEMETRY_SWITCH]
        else:
            os.environ[_TELEMETRY_SWITCH] = before
    return onnxruntime


def open_session(data: bytes, *, threads: int | None = None, name: str = "model") -> Any:
    """Return an `onnxruntime.InferenceSession` on the CPU.

    Args:
        data: the model file's bytes.
        threads: that one call may use; None for all the cores this process may use.
        name: how errors call the model.

    Raises:
        ModelFileError: onnxruntime cannot run it.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads if threads is not None else available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads that spin between calls burn a core for nothing while a server is idle.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no public base type
        told = " ".join(str(error).split())[:300]
        raise ModelFileError(f"{name}: onnxruntime cannot run it: {told}") from error
