"""Finding images that show the same thing, among very many, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int64, UInt8

NEAR_BITS = 32
"""Of the 256 bits of the hash, how many near-duplicates may differ in. Measured on photos: resized and re-encoded copies
differ in 12 at most, photos of different things in 80 or more."""

NEAR_LEVELS = 16.0
"""How far the 4 x 4 mean colours of near-duplicates may lie apart, mean over the grid, in levels of 255."""

_NEIGHBOURS = 256
"""With how many that share 16 bits of the hash an image is compared. It bounds the work where thousands look alike."""

_ONES = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)


def near_pairs(
    hashes: UInt8[np.ndarray, "images 32"], colours: UInt8[np.ndarray, "images 48"]
) -> Int64[np.ndarray, "pairs 2"]:
    """Return index pairs (lower, higher) of images that look alike, in order.

    Images are compared where they agree in one of 32 bands of 16 bits (the hash's 16 rows and 16 columns of frequencies),
    so that those which differ in up to 15 bits are always compared and the work grows with what is alike, not with the
    square of the images. Memory: a few hundred bytes an image.

    Args:
        hashes: (images, 32) perceptual hashes.
        colours: (images, 48) mean colours.

    Source of the banding: Norouzi et al. 2012, Fast search in Hamming space with multi-index hashing.
    """
    count = len(hashes)
    words = np.ascontiguousarray(hashes).view(np.uint16)
    found = [np.empty(0, np.int64)]
    for band in _bands(hashes):
        order = np.lexsort((words[:, 0], words[:, 8], band))
        keys = band[order]
        alive = np.arange(count - 1)
        for offset in range(1, min(_NEIGHBOURS, count)):
            alive = alive[alive + offset < count]
            alive = alive[keys[alive + offset] == keys[alive]]
            if not len(alive):
                break
            first, second = order[alive], order[alive + offset]
            close = _ONES[words[first] ^ words[second]].sum(axis=1) <= NEAR_BITS
            first, second = first[close], second[close]
            apart = np.abs(colours[first].astype(np.int16) - colours[second]).mean(axis=1)
            first, second = first[apart <= NEAR_LEVELS], second[apart <= NEAR_LEVELS]
            found.append(np.minimum(first, second) * count + np.maximum(first, second))
    codes = np.unique(np.concatenate(found))
    return np.column_stack([codes // max(1, count), codes % max(1, count)]).astype(np.int64)


def _bands(hashes: UInt8[np.ndarray, "images 32"]) -> Iterable[np.ndarray]:
    bits = np.unpackbits(hashes, axis=1).reshape(-1, 16, 16)
    for turned in (bits, bits.transpose(0, 2, 1)):
        packed = np.packbits(turned, axis=2)
        for index in range(16):
            yield packed[:, index, 0].astype(np.uint16) << 8 | packed[:, index, 1]


def equal_sets(digests: UInt8[np.ndarray, "images 32"]) -> list[list[int]]:
    """Return the sets of indices, each in order, of images with the same bytes; only sets of two or more."""
    rows = np.ascontiguousarray(digests).view("V32").ravel()
    _, inverse, counts = np.unique(rows, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[inverse] > 1)
    sets: dict[int, list[int]] = {}
    for index in repeated.tolist():
        sets.setdefault(int(inverse[index]), []).append(index)
    return sorted(sets.values())
