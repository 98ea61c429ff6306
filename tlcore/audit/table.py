"""Every image of a dataset inspected: one row of plain numbers each, so that memory stays small for very many."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tlcore.audit.inspection import COLOUR_BYTES, HASH_BYTES, Inspection, inspect_image
from tlcore.audit.inspection_cache import InspectionCache
from tlcore.dataset import Sample
from tlcore.errors import ImageError
from tlcore.images import read_image
from tlcore.machine.cores import available_cores
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
_AT_ONCE = 32
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
class Inspected:
    """One image inspected; without a digest where its bytes cannot be had."""

    digest: bytes
    inspection: Inspection
    known: bool


class Inspections:
    """Inspections as they are made, image by image in the samples' order, kept in the cache now and then.

    Args:
        samples: how many images there will be.
        cache: where they are kept between runs; None keeps none.
    """

    def __init__(self, samples: int, cache: InspectionCache | None) -> None:
        self.table = InspectionTable(np.zeros(samples, _ROW))
        self._cache = cache
        self._done = 0
        self._fresh: list[tuple[bytes, Inspection]] = []

    def known(self, digests: Sequence[bytes]) -> dict[bytes, Inspection]:
        """Return digest to inspection for those of up to 500 images that the cache has. Threads may call it at once."""
        return self._cache.read(digests) if self._cache is not None else {}

    def add(self, part: Sequence[Inspected]) -> None:
        """Add the inspections of the next samples."""
        _fill(self.table, self._done, part)
        self._done += len(part)
        self._fresh += [(found.digest, found.inspection) for found in part if found.digest and not found.known]
        if len(self._fresh) >= _WRITE_EVERY:
            self.keep()

    def keep(self) -> None:
        """Write what the cache does not have yet."""
        if self._cache is not None and self._fresh:
            self._cache.write(self._fresh)
        self._fresh.clear()


def inspect_samples(samples: Sequence[Sample], cache: InspectionCache | None, progress: Progress) -> InspectionTable:
    """Inspect samples in threads; an exception that `progress` raises cancels, and what was inspected stays in the cache."""
    inspections = Inspections(len(samples), cache)
    progress(ProgressEvent("audit", 0, len(samples)))
    done = 0
    try:
        for part in _inspect_all(samples, cache):
            inspections.add(part)
            done += len(part)
            progress(ProgressEvent("audit", done, len(samples)))
    finally:
        inspections.keep()
    return inspections.table


def _fill(table: InspectionTable, start: int, part: Sequence[Inspected]) -> None:
    rows = table.rows[start : start + len(part)]
    inspections = [found.inspection for found in part]
    rows["digest"] = _bytes(found.digest or bytes(32) for found in part).reshape(len(part), -1)
    rows["hash"] = _bytes(inspection.hash for inspection in inspections).reshape(len(part), -1)
    rows["colours"] = _bytes(inspection.colours for inspection in inspections).reshape(len(part), -1)
    rows["width"] = [inspection.width for inspection in inspections]
    rows["height"] = [inspection.height for inspection in inspections]
    rows["spread"] = [inspection.spread for inspection in inspections]
    rows["sound"] = [not inspection.problem for inspection in inspections]
    for index, inspection in enumerate(inspections, start):
        if inspection.format not in table.formats:
            table.formats.append(inspection.format)
        table.rows["format"][index] = table.formats.index(inspection.format)
        if inspection.problem:
            table.problems[index] = inspection.problem
    table.cached += sum(found.known for found in part)


def _bytes(parts: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(parts), np.uint8)


def _inspect_all(samples: Sequence[Sample], cache: InspectionCache | None) -> Iterator[list[Inspected]]:
    """Inspect in threads, a few images at a time so that little time goes into passing them on; yields in order."""

    def inspect(start: int) -> list[Inspected]:
        return _inspect_some(samples[start : start + _AT_ONCE], cache)

    # No more threads than cores: half the work is Python's own, and more threads would wait for each other.
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="tlcore-audit")
    ahead: deque[Future[list[Inspected]]] = deque()
    try:
        for start in range(0, len(samples), _AT_ONCE):
            ahead.append(pool.submit(inspect, start))
            if len(ahead) >= 4 * available_cores():
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _inspect_some(samples: Sequence[Sample], cache: InspectionCache | None) -> list[Inspected]:
    contents: list[bytes] = []
    failures: dict[int, str] = {}
    for index, sample in enumerate(samples):
        try:
            contents.append(read_image(sample.image, sample.name))
        except ImageError as error:
            contents.append(b"")
            failures[index] = str(error).removeprefix(f"{sample.name}: ").removeprefix("cannot be read: ")
    digests = [hashlib.sha256(data).digest() for data in contents]
    known = cache.read(digests) if cache is not None else {}
    return [
        Inspected(b"", Inspection(problem=failures[index]), known=False)
        if index in failures
        else Inspected(digest, known.get(digest) or inspect_image(data), digest in known)
        for index, (data, digest) in enumerate(zip(contents, digests, strict=True))
    ]
