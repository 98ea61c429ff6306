"""What `tl doctor` looks at. Everything that imports heavy packages or plugins runs in processes of its own."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from tlcore.errors import TlcoreError
from tlcore.version import __version__

Verdict = Literal["ok", "warning", "problem"]

BASE = ("click", "jaxtyping", "numpy", "onnxruntime", "pillow", "platformdirs", "pluggy", "rich", "tomlkit")
TRAINING = ("torch", "torchvision", "timm", "scikit-learn", "scipy", "safetensors", "huggingface-hub")
OTHER = ("onnx", "onnxscript", "matplotlib", "starlette", "uvicorn")

TIMEOUT = 180.0
"""Seconds that importing torch may take."""

_ENGINES = """
import json, os
found = {}
try:
    import torch
    found["torch"] = torch.__version__
    found["threads"] = torch.get_num_threads()
    found["cuda"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    found["mps"] = bool(torch.backends.mps.is_available())
    import torchvision
    found["torchvision"] = torchvision.__version__
except BaseException as error:
    found["torch_error"] = f"{type(error).__name__}: {error}"
try:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime
    found["providers"] = onnxruntime.get_available_providers()
except BaseException as error:
    found["onnxruntime_error"] = f"{type(error).__name__}: {error}"
try:
    from tlcore.engines.openvino import has_openvino, import_openvino
    if has_openvino():
        openvino = import_openvino()
        found["openvino"] = openvino.__version__.partition("-")[0]
        found["openvino_formats"] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
except BaseException as error:
    found["openvino_error"] = f"{type(error).__name__}: {error}"
print("\\0" + json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is.
        verdict: how it fares.
        told: what was found, in one line; the home directory is written ``~``.
        remedy: what to do where it is not ok.
        details: values for machines.
    """

    subject: str
    verdict: Verdict
    told: str
    remedy: str = ""
    details: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def diagnose() -> Iterator[Finding]:
    """Look at everything, the quick things first."""
    yield _python()
    yield _packages("packages", BASE, "problem", "pip install --force-reinstall tlcore")
    yield _packages("training packages", TRAINING, "warning", "pip install 'tlcore[train]' to train")
    yield _pairing()
    yield _cores()
    yield _configuration()
    yield _cache()
    yield _network()
    yield from _engines()
    yield from _plugins()


def _python() -> Finding:
    from tlcore_cli.installation import Facts, Installation

    installation = Installation.of(Facts.here())
    told = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    details = {
        "tlcore": __version__, "python": platform.python_version(), "platform": platform.platform(),
        "machine": platform.machine(), "environment": _without_home(sys.prefix), "manner": installation.manner,
    }  # fmt: skip
    return Finding("tlcore", "ok", f"{__version__}, {told}; in {installation.told}", details=details)


def _packages(subject: str, names: Sequence[str], verdict: Verdict, remedy: str) -> Finding:
    found = {name: _version(name) for name in (*names, *(OTHER if subject == "training packages" else ()))}
    missing = [name for name in names if found[name] is None]
    told = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    if missing:
        return Finding(subject, verdict, f"missing: {', '.join(missing)}; there: {told or 'none'}", remedy, found)
    return Finding(subject, "ok", told, details=found)


def _pairing() -> Finding:
    """torchvision says in its metadata which torch it was built for."""
    torch, torchvision = _version("torch"), _version("torchvision")
    if torch is None or torchvision is None:
        return Finding("torch and torchvision", "ok", "not both installed")
    told = f"torch {torch}, torchvision {torchvision}"
    wanted = next((match[1] for line in requires("torchvision") or [] if (match := _TORCH.match(line))), None)
    remedy = "install both together: pip install --force-reinstall torch torchvision"
    if wanted is not None and wanted.partition("+")[0] != torch.partition("+")[0]:
        return Finding("torch and torchvision", "problem", f"{told}, which was built for torch {wanted}", remedy)
    builds = {number.partition("+")[2] for number in (torch, torchvision)}
    if len(builds) > 1 and "" not in builds:
        return Finding("torch and torchvision", "problem", f"{told}: builds for different devices", remedy)
    return Finding("torch and torchvision", "ok", told)


_TORCH = re.compile(r"torch\s*\(?==\s*([^\s);]+)")


def _cores() -> Finding:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    limits = {name: os.environ[name] for name in names if name in os.environ}
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = f"{usable} usable of {os.cpu_count()}" + "".join(f", {name}={value}" for name, value in limits.items())
    return Finding("processors", "ok", told, details={"usable": usable, "limits": limits})


def _configuration() -> Finding:
    from tlcore.config import disabled_plugins
    from tlcore.machine.paths import config_file

    try:
        disabled = sorted(disabled_plugins())
    except TlcoreError as error:
        return Finding("configuration", "problem", _without_home(str(error)), "mend or remove the file")
    state = "" if config_file().exists() else " (not written yet)"
    switched = f"; plugins switched off: {', '.join(disabled)}" if disabled else ""
    return Finding(
        "configuration", "ok", f"{_without_home(str(config_file()))}{state}{switched}", details={"disabled": disabled}
    )


def _cache() -> Finding:
    from tlcore.machine.paths import cache_directory

    directory = cache_directory()
    shown = _without_home(str(directory))
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding("cache", "problem", f"{shown}: cannot be written", "set TLCORE_HOME to a directory that can")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) if directory.is_dir() else 0
    return Finding("cache", "ok", f"{shown}, {size / 1e6:.1f} MB", details={"bytes": size})


def _network() -> Finding:
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    home = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME") or "its default place"
    told = "offline (HF_HUB_OFFLINE is set): cached and local weights only" if offline else "used when weights are needed"
    return Finding(
        "network", "ok", f"{told}; downloaded weights are kept in {_without_home(home)}", details={"offline": offline}
    )


def _engines() -> Iterator[Finding]:
    found = _ask(_ENGINES)
    if "error" in found:
        yield Finding("engines", "problem", found["error"], "run 'python -c \"import torch\"' to see more")
        return
    yield _torch(found)
    if "onnxruntime_error" in found:
        yield Finding(
            "onnxruntime", "problem", _one_line(found["onnxruntime_error"]), "pip install --force-reinstall onnxruntime"
        )
    else:
        yield Finding("onnxruntime", "ok", ", ".join(found["providers"]), details=found["providers"])
    yield _openvino(found)


def _openvino(found: dict[str, Any]) -> Finding:
    if "openvino_error" in found:
        return Finding("openvino", "problem", _one_line(found["openvino_error"]), "pip install --force-reinstall openvino")
    if "openvino" not in found:
        return Finding(
            "openvino",
            "ok",
            "not installed, or too old; 'pip install --upgrade openvino' makes features quicker on many processors",
        )
    formats = found["openvino_formats"]
    told = "bfloat16 and float32" if "BF16" in formats else "float32"
    return Finding("openvino", "ok", f"{found['openvino']}, {told}", details=formats)


def _torch(found: dict[str, Any]) -> Finding:
    error = found.get("torch_error")
    if error is not None:
        told, remedy = explain_torch_error(error)
        verdict: Verdict = "warning" if "No module named 'torch'" in error else "problem"
        return Finding("torch", verdict, told, remedy, found)
    devices = [*found["cuda"], *(["Apple GPU"] if found["mps"] else [])] or ["processor only"]
    return Finding("torch", "ok", f"{found['torch']} on {', '.join(devices)}, {found['threads']} threads", details=found)


def explain_torch_error(error: str) -> tuple[str, str]:
    """Return what an error on importing torch or torchvision means, and what to do.

    >>> explain_torch_error("RuntimeError: operator torchvision::nms does not exist")[1]
    'install both together: pip install --force-reinstall torch torchvision'
    """
    told = _one_line(error)
    if "No module named" in error:
        return told, "pip install 'tlcore[train]' to train; serving an exported model needs no torch"
    if "torchvision::nms does not exist" in error or "undefined symbol" in error or "Couldn't load custom C++ ops" in error:
        meaning = "torch and torchvision are of builds that do not fit together (another version, or one for another device)"
        return f"{meaning}: {told}", "install both together: pip install --force-reinstall torch torchvision"
    if "libcud" in error or "libcublas" in error or "CUDA" in error:
        return (
            f"torch's CUDA libraries cannot be loaded: {told}",
            "install the processor's build of torch, or mend the driver",
        )
    if "DLL load failed" in error or "image not found" in error or "GLIBC" in error:
        return f"torch's own libraries do not fit this system: {told}", "install a build of torch made for this system"
    return told, "pip install --force-reinstall torch torchvision"


def _plugins() -> Iterator[Finding]:
    from tlcore.config import disabled_plugins
    from tlcore.plugins import installed_plugins
    from tlcore_cli.plugins_loaded import loaded_elsewhere

    try:
        switched_off = disabled_plugins()
    except TlcoreError:
        switched_off = frozenset()
    active = {plugin.distribution for plugin in installed_plugins(switched_off) if plugin.status != "disabled"}
    off = {plugin.distribution for plugin in installed_plugins(switched_off)} - active
    for name in sorted(off):
        yield Finding(f"plugin {name}", "ok", "switched off", "")
    for name, entry in sorted(loaded_elsewhere(switched_off).items()):
        if entry["errors"]:
            remedy = f"'tl plugins upgrade {name}', 'tl plugins disable {name}' or 'tl plugins uninstall {name}'"
            yield Finding(f"plugin {name}", "problem", "; ".join(entry["errors"]), remedy, entry)
        elif entry["notes"]:
            remedy = f"tell its authors; 'tl plugins disable {name}' switches it off"
            yield Finding(f"plugin {name}", "warning", "; ".join(entry["notes"]), remedy, entry)
        elif name not in off:
            yield Finding(f"plugin {name}", "ok", f"{entry['version']}: {', '.join(entry['offers'])}", details=entry)


def _ask(program: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": f"importing torch, onnxruntime and openvino takes more than {TIMEOUT:g} s"}
    report = done.stdout.rpartition("\0")[2]
    if not report.strip().startswith("{"):
        return {"error": f"importing torch, onnxruntime and openvino ended the process with exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(report)
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _one_line(text: str) -> str:
    return _without_home(" ".join(text.split()))[:400]


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 3 else text
