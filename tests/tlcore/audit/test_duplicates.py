"""Finding copies among very many images: what is found, and what memory it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np

from tlcore.audit.duplicates import equal_sets, near_pairs


def test_equal_sets_go_by_the_whole_digest() -> None:
    digests = np.random.default_rng(0).integers(0, 256, (6, 32), np.uint8)
    digests[4] = digests[1]
    digests[5] = digests[1]
    digests[2, :31] = digests[0, :31]  # all but the last byte
    assert equal_sets(digests) == [[1, 4, 5]]
    assert equal_sets(digests[:3]) == []
    assert equal_sets(digests[:0]) == []


def peak(images: int) -> int:
    """Return the peak memory, in bytes, of finding the look-alikes of so many pictures, a hundred of them there twice."""
    random = np.random.default_rng(0)
    hashes, colours = random.integers(0, 256, (images, 32), np.uint8), random.integers(0, 256, (images, 48), np.uint8)
    hashes[-100:], colours[-100:] = hashes[:100], colours[:100]
    tracemalloc.start()
    pairs = near_pairs(hashes, colours, np.arange(images))
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs.tolist() == [[index, images - 100 + index] for index in range(100)]
    return found


def test_memory_grows_by_little_an_image() -> None:
    assert (peak(60_000) - peak(20_000)) / 40_000 < 48  # bytes, of which 32 are the hashes turned
