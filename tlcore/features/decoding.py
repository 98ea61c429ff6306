"""Reading and decoding images in threads, some way ahead of what uses them; embedding them there where the engine can."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from tlcore.audit.inspection import Inspection, inspect_image
from tlcore.audit.table import Inspected, Inspections
from tlcore.dataset import Sample
from tlcore.engines.engine import Engine
from tlcore.errors import ImageError
from tlcore.features.feature_cache import FeatureCache
from tlcore.features.views import View
from tlcore.images import decode_image, read_image
from tlcore.machine.cores import available_cores

_AT_ONCE = 4
"""Images of one task: few, so that their pixels are still in the processor's cache when they are embedded."""

_AHEAD = 96
"""Images that may be decoded and not yet used, where two batches are not more (on a GPU): what bounds memory."""


@dataclass(frozen=True)
class Decoded:
    """One sample after reading.

    Attributes:
        sample: it.
        digest: SHA-256 of its bytes; empty where they cannot be had.
        pixels: of the views whose features are not known yet.
        rows: features of views, where the engine could compute them at once.
        failure: why it cannot be used; empty where it can.
        inspected: for the audit, where that was asked for.
    """

    sample: Sample
    digest: str = ""
    pixels: Mapping[View, np.ndarray] = field(default_factory=dict)
    rows: Mapping[View, np.ndarray] = field(default_factory=dict)
    failure: str = ""
    inspected: Inspected | None = None


class Decoder:
    """Reads, decodes and inspects samples, and embeds them where the engine is parallel. Several threads may use it at once.

    Args:
        engine: for its backbone's preprocessing, and to compute.
        caches: each view that is wanted, and where its known rows are.
        inspections: where images are known to the audit from; None where there is none.
    """

    def __init__(self, engine: Engine, caches: Mapping[View, FeatureCache | None], inspections: Inspections | None) -> None:
        self._engine = engine
        self._caches = caches
        self._inspections = inspections
        self.at_once = max(_AT_ONCE, engine.batch_size) if engine.parallel else _AT_ONCE
        self.ahead = _AHEAD if engine.parallel else max(_AHEAD, 2 * engine.batch_size)
        self._claimed: set[tuple[str, View]] = set()
        self._lock = Lock()
        for cache in caches.values():
            if cache is not None:
                cache.open()

    def decode_and_embed(self, samples: Sequence[Sample]) -> list[Decoded]:
        """Decode samples, and compute what is missing of them if the engine may be called by several threads."""
        if not self._engine.parallel:
            return [self.decode(sample) for sample in samples]
        size = self._engine.batch_size
        parts = [samples[start : start + size] for start in range(0, len(samples), size)]
        return [entry for part in parts for entry in self._embed([self.decode(sample) for sample in part])]

    def decode(self, sample: Sample) -> Decoded:
        """Read a sample, and decode it unless all that is wanted of it is known."""
        try:
            data = read_image(sample.image, sample.name)
        except ImageError as error:
            return self._unreadable(sample, str(error))
        digest = hashlib.sha256(data)
        name = digest.hexdigest()
        known = self._inspections.known([digest.digest()]) if self._inspections is not None else {}
        inspection = known.get(digest.digest())
        missing = [view for view, cache in self._caches.items() if cache is None or name not in cache]
        if not missing and (self._inspections is None or (inspection is not None and not inspection.problem)):
            return Decoded(sample, name, inspected=self._look(digest.digest(), inspection, data))
        try:
            image = decode_image(data, sample.name)
        except ImageError as error:
            return Decoded(sample, failure=str(error), inspected=self._look(digest.digest(), inspection, data))
        preprocess = self._engine.backbone.info.preprocess
        wanted = [view for view in missing if self._claim(name, view)]
        pixels = {view: view.pixels(image, preprocess, name) for view in wanted}
        return Decoded(sample, name, pixels=pixels, inspected=self._look(digest.digest(), inspection, data))

    def _embed(self, found: Sequence[Decoded]) -> list[Decoded]:
        """Compute the features of all pixels, and give each sample its own."""
        shown = [(index, view, pixels) for index, entry in enumerate(found) for view, pixels in entry.pixels.items()]
        rows: list[dict[View, np.ndarray]] = [{} for _ in found]
        for start in range(0, len(shown), self._engine.batch_size):
            part = shown[start : start + self._engine.batch_size]
            features = self._engine.features(np.stack([pixels for _, _, pixels in part]))
            for (index, view, _), row in zip(part, features, strict=True):
                rows[index][view] = row
        return [replace(entry, pixels={}, rows=own) for entry, own in zip(found, rows, strict=True)]

    def _claim(self, digest: str, view: View) -> bool:
        """Tell whether this is the first of equal images."""
        with self._lock:
            first = (digest, view) not in self._claimed
            self._claimed.add((digest, view))
            return first

    def _look(self, digest: bytes, known: Inspection | None, data: bytes) -> Inspected | None:
        """Return the inspection of an image, made where it is not known."""
        if self._inspections is None:
            return None
        return Inspected(digest, known or inspect_image(data), known is not None)

    def _unreadable(self, sample: Sample, told: str) -> Decoded:
        problem = told.removeprefix(f"{sample.name}: ").removeprefix("cannot be read: ")
        inspected = Inspected(b"", Inspection(problem=problem), False) if self._inspections is not None else None
        return Decoded(sample, failure=told, inspected=inspected)


def decode_all(samples: Sequence[Sample], decoder: Decoder) -> Iterator[Decoded]:
    """Decode, and where possible embed, samples in as many threads as cores; yields them in order, a bounded way ahead.

    The first of them are done on the calling thread: there a large engine is prepared in a third of the time, as memory
    a new thread asks for comes slower.
    """
    first, samples = samples[: decoder.at_once], samples[decoder.at_once :]
    yield from decoder.decode_and_embed(first)
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="tlcore-decode")
    ahead: deque[Future[list[Decoded]]] = deque()
    try:
        for start in range(0, len(samples), decoder.at_once):
            ahead.append(pool.submit(decoder.decode_and_embed, samples[start : start + decoder.at_once]))
            if len(ahead) * decoder.at_once > decoder.ahead:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
