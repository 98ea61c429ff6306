from __future__ import annotations

import numpy as np

from tlcore.softmax import softmax


def test_softmax_sums_to_one_at_any_size() -> None:
    logits = np.array([[1e4, -1e4, 0.0], [3.0, 2.0, 1.0]], np.float32)
    np.testing.assert_allclose(softmax(logits, 2.0).sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(softmax(logits)[1], [0.66524096, 0.24472847, 0.09003057], rtol=1e-6)
