"""Every image of a dataset inspected: one row of plain numbers each, so that memory stays small for very many."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlcore.audit.inspection import COLOUR_BYTES, HASH_BYTES, Inspection, inspect_image
from tlcore.audit.inspection_cache import InspectionCache
from tlcore.audit.spooled_array import SpooledArray
from tlcore.errors import ImageError
from tlcore.images import read_image
from tlcore.machine.cores import available_cores
from tlcore.progress import Progress, ProgressEvent
from tlcore.sample import Sample

DIGEST_BYTES = 32
_AT_ONCE = 32
_WRITE_EVERY = 256


class InspectionTable:
    """What is known of each sample, in the samples' order, a column each; many lie in temporary files.

    Args:
        directory: where those are; None for the system's place for temporary files.

    Attributes:
        digest, hash, colours: (samples, bytes) uint8, as `Inspection` says; a digest of zeros where the bytes cannot be had.
        sizes: (samples, 2) int32, width and height.
        spread: (samples,) float32.
        sound: (samples,) bool, whether it can be decoded.
        format: (samples,) uint8, index into `formats`.
        formats: names of encodings.
        problems: index to reason, of samples that are not sound.
        cached: how many needed no decoding.
    """

    def __init__(self, directory: Path | None = None) -> None:
        byte = np.dtype(np.uint8)
        self.digest = SpooledArray(byte, DIGEST_BYTES, directory)
        self.hash = SpooledArray(byte, HASH_BYTES, directory)
        self.colours = SpooledArray(byte, COLOUR_BYTES, directory)
        self.sizes = SpooledArray(np.dtype(np.int32), 2, directory)
        self.spread = SpooledArray(np.dtype(np.float32), None, directory)
        self.sound = SpooledArray(np.dtype(np.bool_), None, directory)
        self.format = SpooledArray(byte, None, directory)
        self.formats: list[str] = []
        self.problems: dict[int, str] = {}
        self.cached = 0

    def __len__(self) -> int:
        return len(self.sound)

    def append(self, part: Sequence[Inspected]) -> None:
        """Add the inspections of the next samples."""
        inspections = [found.inspection for found in part]
        for index, inspection in enumerate(inspections, len(self)):
            if inspection.format not in self.formats:
                self.formats.append(inspection.format)
            if inspection.problem:
                self.problems[index] = inspection.problem
        self.cached += sum(found.known for found in part)
        self.digest.append(_rows(found.digest or bytes(DIGEST_BYTES) for found in part))
        self.hash.append(_rows(inspection.hash for inspection in inspections))
        self.colours.append(_rows(inspection.colours for inspection in inspections))
        self.sizes.append(np.array([(inspection.width, inspection.height) for inspection in inspections]))
        self.spread.append(np.array([inspection.spread for inspection in inspections]))
        self.sound.append(np.array([not inspection.problem for inspection in inspections]))
        self.format.append(np.array([self.formats.index(inspection.format) for inspection in inspections]))


@dataclass(frozen=True, slots=True)
class Inspected:
    """One image inspected; without a digest where its bytes cannot be had."""

    digest: bytes
    inspection: Inspection
    known: bool


class Inspections:
    """Inspections as they are made, image by image in the samples' order, kept in the cache now and then.

    Args:
        cache: where they are kept between runs; None keeps none.
    """

    def __init__(self, cache: InspectionCache | None) -> None:
        self.table = InspectionTable(cache.path.parent if cache is not None else None)
        self._cache = cache
        self._fresh: list[tuple[bytes, Inspection]] = []

    def known(self, digests: Sequence[bytes]) -> dict[bytes, Inspection]:
        """Return digest to inspection for those of up to 500 images that the cache has. Threads may call it at once."""
        return self._cache.read(digests) if self._cache is not None else {}

    def add(self, part: Sequence[Inspected]) -> None:
        """Add the inspections of the next samples."""
        self.table.append(part)
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
    inspections = Inspections(cache)
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


def _rows(parts: Iterable[bytes]) -> np.ndarray:
    """Return strings of bytes of one length as rows."""
    listed = list(parts)
    return np.frombuffer(b"".join(listed), np.uint8).reshape(len(listed), -1)


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
