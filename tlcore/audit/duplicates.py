"""Finding images that show the same thing, among very many, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64, UInt8

NEAR_BITS = 32
"""Of the 256 bits of the hash, how many near-duplicates may differ in. Measured on photos: resized and re-encoded copies
differ in 12 at most, photos of different things in 80 or more."""

NEAR_LEVELS = 16.0
"""How far the 4 x 4 mean colours of near-duplicates may lie apart, mean over the grid, in levels of 255."""

_NEIGHBOURS = 256
"""With how many that share 16 bits of the hash an image is compared. It bounds the work where thousands look alike."""

_AT_ONCE = 4096

_ONES = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)


def near_pairs(
    hashes: UInt8[np.ndarray, "images 32"], colours: UInt8[np.ndarray, "images 48"]
) -> Int64[np.ndarray, "pairs 2"]:
    """Return index pairs (lower, higher) of images that look alike, in order.

    Images are compared where they agree in one of 32 bands of 16 bits (the hash's 16 rows and 16 columns of frequencies),
    so that those which differ in up to 15 bits are always compared and the work grows with what is alike, not with the
    square of the images. Memory: about fifty bytes an image.

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
            for start in range(0, len(alive), _AT_ONCE):
                some = alive[start : start + _AT_ONCE]
                first, second = _alike(order[some], order[some + offset], words, colours)
                found.append(np.minimum(first, second) * count + np.maximum(first, second))
    codes = np.unique(np.concatenate(found))
    return np.column_stack([codes // max(1, count), codes % max(1, count)]).astype(np.int64)


def _alike(first: np.ndarray, second: np.ndarray, words: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep of two rows of indices the places where both show the same."""
    close = _ONES[words[first] ^ words[second]].sum(axis=1) <= NEAR_BITS
    first, second = first[close], second[close]
    near = np.abs(colours[first].astype(np.int16) - colours[second]).mean(axis=1) <= NEAR_LEVELS
    return first[near], second[near]


def _bands(hashes: UInt8[np.ndarray, "images 32"]) -> Iterator[np.ndarray]:
    """Yield the 16 rows and the 16 columns of the hashes, each (images,) of 16 bits."""
    rows = np.ascontiguousarray(hashes).view(np.uint16)
    columns = np.empty_like(rows)
    for start in range(0, len(hashes), _AT_ONCE):
        bits = np.unpackbits(hashes[start : start + _AT_ONCE], axis=1).reshape(-1, 16, 16)
        turned = np.packbits(bits.transpose(0, 2, 1), axis=2)
        columns[start : start + _AT_ONCE] = np.ascontiguousarray(turned).reshape(-1, 32).view(np.uint16)
    for words in (rows, columns):
        for index in range(16):
            yield words[:, index]


def equal_sets(digests: UInt8[np.ndarray, "images 32"]) -> list[list[int]]:
    """Return the sets of indices, each in order, of images with the same bytes; only sets of two or more."""
    starts = np.ascontiguousarray(digests[:, :8]).view(np.uint64).ravel()
    order = np.argsort(starts, kind="stable")
    ordered = starts[order]
    again = ordered[1:] == ordered[:-1]
    candidates = order[np.concatenate([[False], again]) | np.concatenate([again, [False]])] if len(order) else order
    sets: dict[bytes, list[int]] = {}
    for index in candidates.tolist():
        sets.setdefault(digests[index].tobytes(), []).append(index)
    return sorted(sorted(members) for members in sets.values() if len(members) > 1)
