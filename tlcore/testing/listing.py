"""What it costs and changes to import a plugin's module and ask its hooks, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tlcore.specs import import_target

HEAVY_MODULES = (
    "torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib", "onnx", "onnxruntime", "onnxscript", "pandas",
    "tensorflow", "jax", "transformers", "skimage", "cv2", "huggingface_hub", "accelerate", "ray", "IPython",
    "click", "rich",
)  # fmt: skip
"""What listing must not import: packages that take long, and those of the command line (a library user has no use for)."""

_PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from tlcore.testing.listing import report; report()"


@dataclass(frozen=True, kw_only=True)
class ListingReport:
    """What importing a plugin's module and asking its hooks did in a fresh process.

    Attributes:
        errors: what the loader says is wrong, one line each; the child's last words where it died.
        heavy: modules of `HEAVY_MODULES` that were imported.
        changes: what is global and was changed, in words.
        printed: what it wrote to standard output or error.
        milliseconds: how long it took beyond what tlcore itself takes.
    """

    errors: tuple[str, ...]
    heavy: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    printed: str = ""
    milliseconds: float = 0.0


def measure_listing(module: str, *, allowed: Sequence[str] = (), timeout: float = 60.0) -> ListingReport:
    """Import `module` and ask its hooks in a fresh process with this one's ``sys.path``.

    Args:
        module: the dotted name that the plugin's entry point names.
        allowed: heavy modules that may be imported all the same (``"click"`` for a command).
        timeout: seconds after which the child is stopped.
    """
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory, "report.json")
        arguments = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), module, str(result), json.dumps(list(allowed))]
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return ListingReport(errors=(f"importing {module} takes more than {timeout:g} s",))
        printed = (done.stdout + (done.stderr if result.exists() else "")).strip()
        if not result.exists():
            told = done.stderr.strip().splitlines() or [f"ended the process with exit code {done.returncode}"]
            return ListingReport(errors=(f"importing {module}: {told[-1]}",), printed=printed)
        values = json.loads(result.read_text(encoding="utf-8"))
    return ListingReport(
        errors=tuple(values["errors"]),
        heavy=tuple(values["heavy"]),
        changes=tuple(values["changes"]),
        printed=printed,
        milliseconds=values["milliseconds"],
    )


def report() -> None:
    """Measure and write the report; the child's side of `measure_listing`."""
    import PIL.ImageFile  # noqa: F401  so that changes to it are seen

    import tlcore.registry  # noqa: F401  what tlcore itself imports is not the plugin's cost
    from tlcore.plugins import plugin_from_module
    from tlcore.testing.process_state import changes, process_state

    module, result, allowed = sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    before = process_state()
    loaded = set(sys.modules)
    started = time.perf_counter()
    plugin = plugin_from_module(import_target(module) if ":" in module else import_module(module))
    elapsed = time.perf_counter() - started
    new = {name.partition(".")[0] for name in set(sys.modules) - loaded}
    values = {
        "errors": [error for error in plugin.errors if allowed == [] or "implements no hook" not in error],
        "heavy": sorted(new & set(HEAVY_MODULES) - set(allowed)),
        "changes": changes(before, process_state()),
        "milliseconds": round(elapsed * 1000, 1),
    }
    Path(result).write_text(json.dumps(values), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a thread that the plugin left running would keep the process from ending
