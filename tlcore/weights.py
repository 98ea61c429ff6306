"""The digest of a network's weights, by which features, graphs and records are addressed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np


def weights_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of weights, in order of name, as 64 hexadecimal digits.

    >>> weights_digest({"bias": np.zeros(2, np.float32)})[:8]
    'e8c4e123'
    """
    summary = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        summary.update(f"{name} {array.dtype} {array.shape}".encode())
        summary.update(np.ascontiguousarray(array).data)
    return summary.hexdigest()
