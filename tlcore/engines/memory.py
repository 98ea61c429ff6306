"""What is known from earlier runs of a backbone's engines on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tlcore.backbone import BackboneInfo
from tlcore.machine.atomic import write_file
from tlcore.machine.cores import available_cores


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How one engine did: images a second, and the least cosine between its features and the backbone's own."""

    rate: float
    cosine: float


@dataclass(frozen=True, kw_only=True)
class EngineMemory:
    """What is known of a backbone's engines.

    Attributes:
        measured: engine and precision to how it did; empty where nothing was measured.
        work: floating-point operations of one image; None where they were not counted.
        unexported: engine and precision that jobs take which are too small to export for; empty where none did.
    """

    measured: Mapping[str, Measured] = field(default_factory=dict)
    work: float | None = None
    unexported: str = ""


def memory_file(directory: Path, info: BackboneInfo, asked: str) -> Path:
    """Return where what is known of a backbone's engines on this machine is kept."""
    text = f"{info.weights_digest} {info.architecture} {info.preprocess.image_size} {asked} {machine()}"
    return directory / "engines" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def recall(file: Path | None) -> EngineMemory:
    """Return what is known; nothing where what was written is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        if file is not None:
            document = json.loads(file.read_text(encoding="utf-8"))
            measured = {str(key): Measured(**entry) for key, entry in document["measured"].items()}
            work = document["work"]
            return EngineMemory(
                measured=measured, work=None if work is None else float(work), unexported=str(document["unexported"])
            )
    return EngineMemory()


def remember(file: Path | None, backbone: str, memory: EngineMemory) -> None:
    """Keep what is known of a backbone of this name."""
    if file is None:
        return
    document = {"backbone": backbone, "machine": machine(), **asdict(memory)}
    # Where nothing may be written the next job measures again; features themselves are refused there with an error.
    with suppress(OSError):
        write_file(file, (json.dumps(document, indent=2) + "\n").encode())


def machine() -> str:
    """Return what decides how fast engines are here: processor, cores, GPUs, and the versions of what runs on it."""
    from importlib.metadata import PackageNotFoundError, version

    processor = platform.processor()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    gpus = [*sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*")), os.environ.get("CUDA_VISIBLE_DEVICES", "")]
    shown = f", {' '.join(gpus).strip()}" if any(gpus) else ""
    versions = []
    for name in ("torch", "onnxruntime", "openvino"):
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return f"{platform.machine()} {processor}, {available_cores()} cores{shown}, {' '.join(versions)}"
