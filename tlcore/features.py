"""From images to pooled features: decode in parallel, embed in batches, keep each row for good."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.backbone import Backbone
from tlcore.cores import available_cores
from tlcore.dataset import LeftOut, Sample
from tlcore.errors import ImageError, TlcoreError
from tlcore.feature_cache import FeatureCache
from tlcore.images import decode_image, read_image
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress, ProgressEvent, silent

BATCH_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """The pooled features of some samples, in their order, unreadable ones left out.

    Attributes:
        samples: those that could be read.
        digests: SHA-256 of each one's encoded bytes.
        features: (images, features), float32.
        left_out: those that could not be read, and why.
    """

    samples: tuple[Sample, ...]
    digests: tuple[str, ...]
    features: Float32[np.ndarray, "images features"] = field(repr=False)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def labels(self) -> Int64[np.ndarray, " images"]:
        """Label of each image, (images,), int64."""
        return np.array([sample.label for sample in self.samples], np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return tuple(sample.name for sample in self.samples)


@dataclass(frozen=True)
class _Decoded:
    """One sample after reading: its digest, and pixels unless its features are known; or why it failed."""

    sample: Sample
    digest: str = ""
    pixels: np.ndarray | None = None
    failure: str = ""


def extract_features(
    samples: Sequence[Sample],
    backbone: Backbone,
    *,
    cache: FeatureCache | None = None,
    strict: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
    stage: str = "features",
) -> FeatureSet:
    """Compute the pooled features of samples, or read them from the cache.

    Args:
        samples: what to embed; equal images are embedded once.
        backbone: by what.
        cache: where rows are kept; None computes everything and keeps nothing.
        strict: raise on the first unreadable image instead of leaving it out.
        batch_size: images per call of the backbone; batches are padded to it, so that a row does not depend on how many
            images were computed beside it.
        progress: told after each batch; an exception it raises stops the work, and finished batches stay in the cache.
        stage: the name progress events carry.

    Raises:
        ImageError: an image is unreadable and `strict` is set.
    """
    if batch_size < 1:
        raise TlcoreError(f"batch_size must be at least 1, got {batch_size}")
    rows: dict[str, np.ndarray] = {}
    pending: dict[str, np.ndarray] = {}
    kept: list[tuple[Sample, str]] = []
    left_out: list[LeftOut] = []
    progress(ProgressEvent(stage, 0, len(samples)))
    for done, decoded in enumerate(_decode_all(samples, backbone.info.preprocess, cache), 1):
        if decoded.failure:
            if strict:
                raise ImageError(decoded.failure)
            left_out.append(LeftOut(decoded.sample.name, decoded.failure))
        else:
            kept.append((decoded.sample, decoded.digest))
            if decoded.pixels is not None and decoded.digest not in rows:
                pending[decoded.digest] = decoded.pixels
        if len(pending) == batch_size:
            _embed(pending, backbone, batch_size, cache, rows)
            progress(ProgressEvent(stage, done, len(samples)))
    _embed(pending, backbone, batch_size, cache, rows)
    features = _gather(kept, rows, backbone, batch_size, cache)
    if cache is not None:
        cache.merge()
    progress(ProgressEvent(stage, len(samples), len(samples)))
    return FeatureSet(
        samples=tuple(sample for sample, _ in kept),
        digests=tuple(digest for _, digest in kept),
        features=features,
        left_out=tuple(left_out),
    )


def _embed(
    pending: dict[str, np.ndarray],
    backbone: Backbone,
    batch_size: int,
    cache: FeatureCache | None,
    rows: dict[str, np.ndarray],
) -> None:
    """Embed the pending images as one batch, keep the rows, and empty `pending`."""
    if not pending:
        return
    images = np.stack(list(pending.values()))
    padded = np.concatenate([images, np.repeat(images[-1:], batch_size - len(images), axis=0)])
    computed = dict(zip(pending, backbone.features(padded)[: len(images)], strict=True))
    if cache is not None:
        cache.write(computed)
    rows.update(computed)
    pending.clear()


def _gather(
    kept: Sequence[tuple[Sample, str]],
    rows: dict[str, np.ndarray],
    backbone: Backbone,
    batch_size: int,
    cache: FeatureCache | None,
) -> np.ndarray:
    """Put the rows in the samples' order; rows the cache turned out not to hold whole are computed again."""
    features = np.empty((len(kept), backbone.info.feature_size), np.float32)
    missing = [digest for _, digest in kept if digest not in rows]
    if cache is not None:
        rows.update(cache.read(dict.fromkeys(missing)))
    damaged = {digest: sample for sample, digest in kept if digest not in rows}
    for start in range(0, len(damaged), batch_size):
        part = list(damaged.items())[start : start + batch_size]
        again = {digest: _pixels(sample, backbone.info.preprocess) for digest, sample in part}
        _embed(again, backbone, batch_size, cache, rows)
    for index, (_, digest) in enumerate(kept):
        features[index] = rows[digest]
    return features


def _pixels(sample: Sample, preprocess: Preprocess) -> np.ndarray:
    return preprocess.pixels(decode_image(read_image(sample.image, sample.name), sample.name))


def _decode_all(samples: Sequence[Sample], preprocess: Preprocess, cache: FeatureCache | None) -> Iterator[_Decoded]:
    """Read and decode in threads, in order, at most a few batches ahead."""

    def decode(sample: Sample) -> _Decoded:
        try:
            data = read_image(sample.image, sample.name)
            digest = hashlib.sha256(data).hexdigest()
            if cache is not None and digest in cache:
                return _Decoded(sample, digest)
            return _Decoded(sample, digest, preprocess.pixels(decode_image(data, sample.name)))
        except ImageError as error:
            return _Decoded(sample, failure=str(error))

    if cache is not None:
        cache.open()
    workers = available_cores()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="tlcore-decode")
    ahead: deque[Future[_Decoded]] = deque()
    try:
        for sample in samples:
            ahead.append(pool.submit(decode, sample))
            if len(ahead) > 3 * BATCH_SIZE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
