"""Which engine runs a backbone here: asked for, or measured once per backbone and machine, and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine, own_engine
from tlcore.engines.memory import EngineMemory, Measured, memory_file, recall, remember
from tlcore.engines.onnx import onnx_engine
from tlcore.engines.openvino import NAME as OPENVINO
from tlcore.engines.openvino import has_openvino, openvino_engines
from tlcore.engines.prepared import REDUCED, unprepared_engine
from tlcore.errors import BackboneError, ExportError, ModelFileError, OptionError, did_you_mean
from tlcore.machine.cores import available_cores

ENGINES = ("auto", "onnx", "openvino", "torch")

LEAST_WORK = 6e11
"""Floating-point operations below which nothing is exported for a job: that would cost more than it gains."""

LEAST_PREPARED = 5e10
"""Floating-point operations below which a job runs on the backbone's own code: preparing torch would cost more too."""

LEAST_COSINE = {"float32": 0.9999}
LEAST_COSINE_REDUCED = 0.9995
"""How closely an engine's features must agree with the backbone's own on the probes: in float32, and in fewer bits.

What is promised of any image in fewer bits is 0.999; the probes are few, so they leave half of that to the others."""

_MARGIN = 1.25
"""How many times faster a later candidate must be to displace an earlier one, so that noise does not decide."""

_PROBES = 16
"""Images that candidates are measured on."""

_NAMES = {"backbone": "the backbone's own code", "onnx": "ONNX Runtime", OPENVINO: "OpenVINO"}


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """What is to be run, and where.

    Attributes:
        backbone: the network.
        asked: one of `ENGINES`.
        images: how many the job has, computed or not.
        directory: the cache directory, where graphs and measurements are kept; None keeps none.
        photos: returns up to so many of the job's images, as `Preprocess.pixels` gives them; none where none can be read.
    """

    backbone: Backbone
    asked: str
    images: int
    directory: Path | None
    photos: Callable[[int], np.ndarray] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The engine that was chosen.

    Attributes:
        engine: it.
        reason: why, in words for a person.
        rates: engine to images a second, of those that agreed when it was chosen; empty where nothing was measured.
    """

    engine: Engine
    reason: str
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, str]:
        """What a bundle says of it: the same for the same command on one machine."""
        return {"name": self.engine.name, "precision": self.engine.precision}

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in self.rates.items())
        name = _NAMES.get(self.engine.name, self.engine.name)
        return f"{name}, {self.engine.precision}: {self.reason}{f' (images/s: {rates})' if rates else ''}"


def choose_engine(request: EngineRequest) -> Choice:
    """Choose the engine for a job.

    ``auto`` takes what was measured before for this backbone on this machine. Where nothing was and the job is small, it
    takes torch or the backbone's own code, unmeasured; else it measures the candidates on images of the job and remembers
    the quickest. An engine whose features differ from the backbone's own is not taken.

    Raises:
        OptionError: there is no such engine, or what it needs is not installed.
        BackboneError: an engine was asked for, and the network cannot run on it or answers otherwise there.
    """
    if request.asked not in ENGINES:
        hint = did_you_mean(request.asked, ENGINES) or ";"
        raise OptionError(f"there is no engine {request.asked!r}{hint} there are: {', '.join(ENGINES)}")
    own = own_engine(request.backbone)
    if request.asked != "auto":
        return _asked(request, own)
    memory = _recall(request)
    if memory.work is None and not memory.measured:
        memory = replace(memory, work=_work(request))
        _remember(request, memory)
    if not memory.measured and (work := request.images * (memory.work or 0.0)) < LEAST_WORK:
        engine = _unexported(request, own, memory) if work >= LEAST_PREPARED else own
        return Choice(engine=engine, reason="few images, so nothing was exported")
    return _quickest(request, own, memory)


def _asked(request: EngineRequest, own: Engine) -> Choice:
    variants = _variants(request)
    if not variants:
        return Choice(engine=own, reason="asked for")
    memory = _recall(request)
    if not memory.measured:
        memory = replace(memory, measured=_measure(request, own, [variants]))
        if not memory.measured:
            return Choice(engine=own, reason="no image can be read")
        _remember(request, memory)
    for engine in variants:
        if _agrees(engine, memory.measured):
            return Choice(engine=engine, reason="asked for")
    cosines = [memory.measured[_key(engine)].cosine for engine in variants if _key(engine) in memory.measured]
    found = (
        f"its features agree to a cosine of {max(cosines):.5f} only"
        if cosines
        else "it cannot be exported or run there, where 'tl doctor' may know more"
    )
    raise BackboneError(
        f"backbone {request.backbone.info.name} cannot run on engine {request.asked!r}: {found}; leave --engine out"
    )


def _variants(request: EngineRequest) -> list[Engine]:
    """Return the variants of the engine that was asked for, the quickest first; none where it is the backbone's own code."""
    if request.asked == "onnx":
        return [onnx_engine(request.backbone, request.directory)]
    if request.asked == OPENVINO:
        if not has_openvino():
            raise OptionError("engine 'openvino' needs the package openvino: pip install --upgrade openvino")
        return openvino_engines(request.backbone, request.directory)
    candidate = _torch(request.backbone)
    return [candidate] if candidate is not None else []


def _torch(backbone: Backbone) -> Engine | None:
    from tlcore.engines.torch import torch_engine

    return torch_engine(backbone)


def _work(request: EngineRequest) -> float:
    """Return the floating-point operations of one image; none where the network is none that could be exported."""
    from tlcore.engines.torch import work_per_image

    try:
        return work_per_image(request.backbone)
    except BackboneError:
        return 0.0


def _unexported(request: EngineRequest, own: Engine, memory: EngineMemory) -> Engine:
    """Return torch where it runs the network in fewer bits and agrees, else the backbone's own code."""
    if memory.unexported == _key(own):
        return own
    if memory.unexported == REDUCED:
        return unprepared_engine(request.backbone)
    photos = request.photos(_PROBES)
    if not len(photos):
        return own
    candidate, engine = _torch(request.backbone), own
    if candidate is not None:
        expected = own_engine(own.backbone, _PROBES).features(photos)
        with suppress(BackboneError):
            if least_cosine(_features(candidate, photos), expected) >= _least(candidate):
                engine = candidate
    _remember(request, replace(memory, unexported=_key(engine)))
    return engine


def _quickest(request: EngineRequest, own: Engine, memory: EngineMemory) -> Choice:
    candidates = _recalled(request, memory.measured) if memory.measured else _candidates(request)
    measured = memory.measured or _measure(request, own, candidates)
    if not measured:
        return Choice(engine=own, reason="no image can be read")
    if not memory.measured:
        _remember(request, replace(memory, measured=measured))
    agreeing = [engine for variants in [*candidates, [own]] for engine in variants if _agrees(engine, measured)]
    rates = {_key(engine): measured[_key(engine)].rate for engine in agreeing}
    chosen = own
    best = 0.0
    for engine in agreeing:
        if rates[_key(engine)] > _MARGIN * best:
            chosen, best = engine, rates[_key(engine)]
    return Choice(engine=chosen, reason="measured on this machine", rates=rates)


def _candidates(request: EngineRequest) -> list[list[Engine]]:
    """Return the engines beside the backbone's own code in order of preference, each with its variants."""
    exported = [onnx_engine(request.backbone, request.directory)]
    candidate = _torch(request.backbone)
    if candidate is not None and candidate.on_gpu:
        # A GPU leaves the processor so far behind that exporting for it would be time lost.
        return [[candidate]]
    if has_openvino():
        return [openvino_engines(request.backbone, request.directory), exported]
    return [[candidate], exported] if candidate is not None else [exported]


def _recalled(request: EngineRequest, measured: Mapping[str, Measured]) -> list[list[Engine]]:
    """Return the engines that were measured before, as `_candidates` did; torch is imported for a GPU alone."""
    if any(key.startswith("torch cuda-") for key in measured):
        return _candidates(request)
    groups = [openvino_engines(request.backbone, request.directory)] if has_openvino() else []
    if REDUCED in measured:
        groups.append([unprepared_engine(request.backbone)])
    return [*groups, [onnx_engine(request.backbone, request.directory)]]


def _measure(request: EngineRequest, own: Engine, candidates: Sequence[Sequence[Engine]]) -> dict[str, Measured]:
    """Measure candidates beside the backbone's own code; those that cannot run are absent. Empty without images.

    Of an engine's variants those behind the first that agrees are not measured.
    """
    photos = request.photos(_PROBES)
    if not len(photos):
        return {}
    probes = photos[np.arange(_PROBES) % len(photos)]
    smaller = own_engine(own.backbone, _PROBES)
    expected, rate = _run(smaller, probes)
    measured = {_key(own): Measured(rate=rate, cosine=1.0)}
    for variants in candidates:
        for engine in variants:
            with suppress(ExportError, ModelFileError, BackboneError):
                features, rate = _run(engine, probes)
                measured[_key(engine)] = Measured(rate=rate, cosine=least_cosine(features, expected))
            if _agrees(engine, measured):
                break
    return measured


def _agrees(engine: Engine, measured: Mapping[str, Measured]) -> bool:
    """Tell whether an engine was measured, and its features are the backbone's own but for rounding."""
    found = measured.get(_key(engine))
    return found is not None and found.cosine >= _least(engine)


def _run(engine: Engine, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the features of images and how many a second were computed, the better of two rounds after warming up."""
    engine.features(images[: engine.batch_size])
    best = 0.0
    for _ in range(2):
        started = time.perf_counter()
        features = _features(engine, images)
        best = max(best, len(images) / (time.perf_counter() - started))
    return features, best


def _features(engine: Engine, images: np.ndarray) -> np.ndarray:
    """Return the features of images, computed as an extraction would."""
    parts = [images[start : start + engine.batch_size] for start in range(0, len(images), engine.batch_size)]
    if not engine.parallel:  # on this thread: a new one's memory comes slower
        return np.concatenate([engine.features(part) for part in parts])
    with ThreadPoolExecutor(available_cores()) as pool:
        return np.concatenate(list(pool.map(engine.features, parts)))


def least_cosine(features: np.ndarray, expected: np.ndarray) -> float:
    """Return the least cosine between rows of two (images, features) arrays; 1 where both are zero.

    >>> round(least_cosine(np.array([[1.0, 1.0]]), np.array([[1.0, 0.0]])), 3)
    0.707
    """
    first, second = features.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    same = np.all(first == second, axis=1)
    return float(np.where(same, 1.0, (first * second).sum(axis=1) / np.maximum(lengths, 1e-300)).min())


def _least(engine: Engine) -> float:
    return LEAST_COSINE.get(engine.precision, LEAST_COSINE_REDUCED)


def _key(engine: Engine) -> str:
    return f"{engine.name} {engine.precision}"


def _recall(request: EngineRequest) -> EngineMemory:
    return recall(_file(request))


def _remember(request: EngineRequest, memory: EngineMemory) -> None:
    remember(_file(request), request.backbone.info.name, memory)


def _file(request: EngineRequest) -> Path | None:
    directory = request.directory
    return memory_file(directory, request.backbone.info, request.asked) if directory is not None else None
