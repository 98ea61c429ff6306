"""Every image of a dataset inspected: one row of plain numbers each, so that memory stays small for very many."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tlcore.audit.inspection import COLOUR_BYTES, HASH_BYTES, Inspection, inspect_image
from tlcore.audit.inspection_cache import InspectionCache
from tlcore.dataset import Sample
from tlcore.errors import ImageError
from tlcore.features import available_cores
from tlcore.images import read_image
from tlcore.progress import Progress, ProgressEvent

_ROW = np.dtype(
    [
        ("digest", np.uint8, 32),
        ("hash", np.uint8, HASH_BYTES),
        ("colours", np.uint8, COLOUR_BYTES),
        ("width", np.int32),
        ("height", np.int32),
        ("spread", np.float32),
        ("sound", np.bool_),
        ("format", np.uint8),
    ]
)
_AHEAD = 64
_WRITE_EVERY = 256


@dataclass
class InspectionTable:
    """What is known of each sample, in the samples' order.

    Attributes:
        rows: (samples,) structured: digest, hash, colours, width, height, spread, whether sound, and index into `formats`.
        formats: names of encodings.
        problems: index to reason, of samples that are not sound.
        cached: how many needed no decoding.
    """

    rows: np.ndarray
    formats: list[str] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    cached: int = 0

    def format(self, index: int) -> str:
        """Return the name of a sample's encoding."""
        return self.formats[int(self.rows["format"][index])]


@dataclass(frozen=True, slots=True)
class _Inspected:
    digest: bytes
    inspection: Inspection
    known: bool


def inspect_samples(samples: Sequence[Sample], cache: InspectionCache | None, progress: Progress) -> InspectionTable:
    """Inspect samples in threads; an exception that `progress` raises cancels, and what was inspected stays in the cache."""
    table = InspectionTable(np.zeros(len(samples), _ROW))
    positions: dict[str, int] = {}
    fresh: list[tuple[bytes, Inspection]] = []
    progress(ProgressEvent("audit", 0, len(samples)))
    try:
        for index, found in enumerate(_inspect_all(samples, cache)):
            _fill(table, index, found, positions)
            if found.digest and not found.known:
                fresh.append((found.digest, found.inspection))
            if cache is not None and len(fresh) >= _WRITE_EVERY:
                cache.write(fresh)
                fresh.clear()
            if (index + 1) % _AHEAD == 0:
                progress(ProgressEvent("audit", index + 1, len(samples)))
    finally:
        if cache is not None and fresh:
            cache.write(fresh)
    progress(ProgressEvent("audit", len(samples), len(samples)))
    return table


def _fill(table: InspectionTable, index: int, found: _Inspected, positions: dict[str, int]) -> None:
    inspection = found.inspection
    if inspection.format not in positions:
        positions[inspection.format] = len(table.formats)
        table.formats.append(inspection.format)
    if inspection.problem:
        table.problems[index] = inspection.problem
    table.cached += found.known
    table.rows[index] = (
        np.frombuffer(found.digest or bytes(32), np.uint8),
        np.frombuffer(inspection.hash, np.uint8),
        np.frombuffer(inspection.colours, np.uint8),
        inspection.width,
        inspection.height,
        inspection.spread,
        not inspection.problem,
        positions[inspection.format],
    )


def _inspect_all(samples: Sequence[Sample], cache: InspectionCache | None) -> Iterator[_Inspected]:
    def inspect(sample: Sample) -> _Inspected:
        try:
            data = read_image(sample.image, sample.name)
        except ImageError as error:
            reason = str(error).removeprefix(f"{sample.name}: ").removeprefix("cannot be read: ")
            return _Inspected(b"", Inspection(problem=reason), known=False)
        digest = hashlib.sha256(data).digest()
        known = cache.read(digest) if cache is not None else None
        return _Inspected(digest, known or inspect_image(data), known is not None)

    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="tlcore-audit")
    ahead: deque[Future[_Inspected]] = deque()
    try:
        for sample in samples:
            ahead.append(pool.submit(inspect, sample))
            if len(ahead) >= _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
