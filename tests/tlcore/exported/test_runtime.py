"""onnxruntime as tlcore sets it up."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tlcore.errors import ModelFileError
from tlcore.exported.runtime import open_session

_TELEMETRY = """
import builtins, os, sys
seen = []
real = builtins.__import__
def watched(name, *rest, **more):
    if name == "onnxruntime" and name not in sys.modules:
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
    return real(name, *rest, **more)
builtins.__import__ = watched
from tlcore.exported.runtime import import_onnxruntime
import_onnxruntime()
print(seen[0], os.environ.get("ORT_DISABLE_TELEMETRY"))
"""


def test_telemetry_is_off_while_importing_and_the_environment_is_put_back() -> None:
    ran = subprocess.run([sys.executable, "-c", _TELEMETRY], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "None"]


def test_what_onnxruntime_cannot_run_is_one_line() -> None:
    with pytest.raises(ModelFileError, match=r"broken\.onnx: onnxruntime cannot run it: ") as told:
        open_session(b"nothing", name="broken.onnx")
    assert "\n" not in str(told.value)


def test_idle_sessions_do_not_spin(exported: Path) -> None:
    session = open_session(exported.read_bytes(), threads=2)
    session.run(["logits"], {"images": np.zeros((1, 128, 128, 3), np.uint8)})
    options = session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 2
