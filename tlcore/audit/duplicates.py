"""Finding images that show the same thing, among very many, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Int64, UInt16

from tlcore.audit.spooled_array import Rows

NEAR_BITS = 32
"""Of the 256 bits of the hash, how many near-duplicates may differ in. Measured on photos: resized and re-encoded copies
differ in 12 at most, photos of different things in 80 or more."""

NEAR_LEVELS = 16.0
"""How far the 4 x 4 mean colours of near-duplicates may lie apart, mean over the grid, in levels of 255."""

_NEIGHBOURS = 256
"""With how many that share 16 bits of the hash an image is compared. It bounds the work where thousands look alike."""

_AT_ONCE = 1024

_BLOCK = 2048
"""Of how many images, at least, the pairs of one band are looked for at once."""

_ONES = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)


def near_pairs(hashes: Rows, colours: Rows, images: Int[np.ndarray, " images"]) -> Int64[np.ndarray, "pairs 2"]:
    """Return pairs (lower, higher) of images that look alike, in order.

    Images are compared where they agree in one of 32 bands of 16 bits (the hash's 16 rows and 16 columns of frequencies),
    so that those which differ in up to 15 bits are always compared and the work grows with what is alike, not with the
    square of the images. Memory: about forty bytes an image, of which 32 are its hash.

    Args:
        hashes: (all, 32) perceptual hashes, uint8.
        colours: (all, 48) mean colours, uint8; those of images whose hashes are alike are picked.
        images: which rows of both to compare, in order.

    Source of the banding: Norouzi et al. 2012, Fast search in Hamming space with multi-index hashing.
    """
    words = np.ascontiguousarray(hashes[images]).view(np.uint16)
    codes = np.empty(0, np.int64)
    for band in _bands(words):
        for block in _blocks(band):
            found = [codes, *_close_pairs(block, band, words)]
            codes = np.unique(np.concatenate(found)) if len(found) > 1 else codes
    first, second = np.divmod(codes, max(1, len(words)))
    pairs = np.column_stack([images[first], images[second]]).astype(np.int64)
    alike = [_same_colours(pairs[start : start + _AT_ONCE], colours) for start in range(0, len(pairs), _AT_ONCE)]
    return pairs[np.concatenate(alike)] if alike else pairs


def _close_pairs(block: np.ndarray, band: np.ndarray, words: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the pairs of a block's images that agree in the band and whose hashes are close, as lower * images + higher."""
    order = block[np.lexsort((words[block, 0], words[block, 8], band[block]))]
    keys = band[order]
    alive = np.arange(len(order) - 1)
    for offset in range(1, min(_NEIGHBOURS, len(order))):
        alive = alive[alive + offset < len(order)]
        alive = alive[keys[alive + offset] == keys[alive]]
        if not len(alive):
            return
        for start in range(0, len(alive), _AT_ONCE):
            some = alive[start : start + _AT_ONCE]
            first, second = order[some], order[some + offset]
            close = _ONES[words[first] ^ words[second]].sum(axis=1) <= NEAR_BITS
            if close.any():
                first, second = first[close], second[close]
                yield np.minimum(first, second) * len(words) + np.maximum(first, second)


def _same_colours(pairs: Int64[np.ndarray, "pairs 2"], colours: Rows) -> np.ndarray:
    """Return which pairs of images have nearly the same colours."""
    images, places = np.unique(pairs, return_inverse=True)
    shown = colours[images].astype(np.int16)[places.reshape(-1, 2)]
    return np.asarray(np.abs(shown[:, 0] - shown[:, 1]).mean(axis=1) <= NEAR_LEVELS)


def _blocks(band: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the indices of the images in small parts to save memory; those which agree in the band are in one."""
    size = max(_BLOCK, len(band) // 16)
    counts = np.bincount(band, minlength=1 << 16)
    part_of = np.cumsum(counts) // size
    for part in np.unique(part_of):
        keys = np.flatnonzero(part_of == part)
        yield np.flatnonzero((band >= keys[0]) & (band <= keys[-1]))


def _bands(words: UInt16[np.ndarray, "images 16"]) -> Iterator[np.ndarray]:
    """Yield the 16 rows and the 16 columns of the hashes, each (images,) of 16 bits."""
    for index in range(16):
        yield words[:, index]
    bits = np.arange(16, dtype=np.uint16)
    for index in range(16):
        column = np.empty(len(words), np.uint16)
        for start in range(0, len(words), _AT_ONCE):
            part = words[start : start + _AT_ONCE]
            column[start : start + _AT_ONCE] = ((part >> index & 1) << bits).sum(axis=1)
        yield column


def equal_sets(digests: Rows) -> list[list[int]]:
    """Return the sets of indices, each in order, of images with the same bytes; only sets of two or more.

    Args:
        digests: (images, 32) uint8; zeros stand for unknown bytes, which are equal to nothing.
    """
    count = len(digests)
    starts = np.empty(count, np.uint64)
    for start in range(0, count, _AT_ONCE):
        part = digests[np.arange(start, min(start + _AT_ONCE, count))]
        starts[start : start + _AT_ONCE] = np.ascontiguousarray(part[:, :8]).view(np.uint64).ravel()
    ordered = np.sort(starts)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    candidates = np.flatnonzero(np.isin(starts, repeated)) if len(repeated) else np.empty(0, np.int64)
    sets: dict[bytes, list[int]] = {}
    for index, digest in zip(candidates.tolist(), digests[candidates], strict=True):
        if digest.any():
            sets.setdefault(digest.tobytes(), []).append(index)
    return sorted(members for members in sets.values() if len(members) > 1)
