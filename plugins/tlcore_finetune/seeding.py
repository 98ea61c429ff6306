"""Random numbers as a function of what they are for, so that a run that goes on draws what it would have drawn.

There is no generator whose state runs along: what an image, a batch or a mask draws is seeded by the run's seed and by which
epoch and image, or which update, it is for. Any number of processes, readers and restarts therefore draw the same.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

ORDER, IMAGE, MIX, MASK, INIT = range(5)
"""What random numbers are for; the first key after the seed."""


def generator(seed: int, *keys: int) -> np.random.Generator:
    """Return the generator of one purpose."""
    return np.random.default_rng([seed, *keys])


def seed_all(seed: int, *keys: int) -> None:
    """Seed Python's, numpy's and torch's global generators, which timm and torch draw from."""
    first, second, third = (int(word) for word in np.random.SeedSequence([seed, *keys]).generate_state(3))
    random.seed(first)
    np.random.seed(second)
    torch.manual_seed(third)


@contextmanager
def process_put_back() -> Iterator[None]:
    """Run a block that seeds the global generators, and afterwards put back their state, and the warnings filters."""
    ours, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)
