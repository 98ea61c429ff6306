"""What a backbone costs on this machine: time, memory, arithmetic."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlcore.engines import Engine
from tlcore.engines.memory import machine
from tlcore.errors import BackboneError
from tlcore.machine.atomic import write_file
from tlcore.machine.cores import available_cores

SECONDS = 0.5
"""How long each of the two speeds is measured for, beyond a first call that warms up."""

_LEAST, _MOST = 2, 20


@dataclass(frozen=True, kw_only=True)
class BackboneCost:
    """What a backbone costs here; reading and decoding images is not counted.

    Attributes:
        images_per_second: through the network in batches, on all cores this process may use.
        milliseconds: one image alone, the quickest of several calls.
        megabytes: of its weights as float32.
        macs: multiplications with addition for one image; None where the network is none of torch's.
    """

    images_per_second: float
    milliseconds: float
    megabytes: float
    macs: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as JSON-ready values."""
        return asdict(self)


def measure_cost(engine: Engine) -> BackboneCost:
    """Measure an engine with its backbone on noise; takes about a second, more where one call takes longer.

    The quickest of several calls counts, which tells of the machine rather than of what else it does.
    """
    info = engine.backbone.info
    random = np.random.default_rng(0)
    height, width = info.preprocess.image_size
    together = max(engine.batch_size, 4 * available_cores()) if engine.parallel else engine.batch_size
    images = random.integers(0, 256, (together, height, width, 3), np.uint8)
    parts = [images[start : start + engine.batch_size] for start in range(0, together, engine.batch_size)]
    single = engine.features if engine.batch_size == 1 else engine.backbone.features

    def batch() -> None:
        if engine.parallel:
            with ThreadPoolExecutor(available_cores()) as pool:
                list(pool.map(engine.features, parts))
        else:
            for part in parts:
                engine.features(part)

    return BackboneCost(
        images_per_second=together / _least_seconds(batch),
        milliseconds=1000 * _least_seconds(lambda: single(images[:1])),
        megabytes=4 * info.parameters / 1e6,
        macs=_macs(engine),
    )


def cost_of(engine: Engine, directory: Path | None) -> BackboneCost:
    """Return what was measured before for this network, engine and machine, or measure it now and remember it.

    Args:
        engine: with its backbone.
        directory: the cache directory; None remembers nothing.
    """
    info = engine.backbone.info
    text = f"{info.weights_digest} {info.architecture} {info.preprocess.digest} {engine.name} {engine.precision} {machine()}"
    file = directory / "costs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json" if directory is not None else None
    if file is None:
        return measure_cost(engine)
    with suppress(OSError, ValueError, TypeError):
        return BackboneCost(**json.loads(file.read_text(encoding="utf-8")))
    measured = measure_cost(engine)
    with suppress(OSError):  # measured again next time; a full disk is told where features are written
        write_file(file, json.dumps(measured.to_dict()).encode())
    return measured


def _least_seconds(call: Callable[[], object]) -> float:
    call()
    times: list[float] = []
    while len(times) < _LEAST or (sum(times) < SECONDS and len(times) < _MOST):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _macs(engine: Engine) -> float | None:
    from tlcore.engines.torch import work_per_image

    try:
        return work_per_image(engine.backbone) / 2
    except BackboneError:
        return None
