from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

from tests.tlcore_heads.points import digits, none_of
from tlcore_heads.cosine import SCALES, CosineHead, _CosineLoss
from tlcore_heads.directions import Directions
from tlcore_heads.options import CosineOptions


def test_the_gradient_is_that_of_the_loss() -> None:
    random = np.random.default_rng(0)
    points = Directions.of(random.standard_normal((30, 6)).astype(np.float32)).apply(
        random.standard_normal((30, 6)).astype(np.float32)
    )
    loss = _CosineLoss(points, random.integers(0, 4, 30), 5.0, (4, 6))
    start = random.standard_normal(24)
    # float32 points: finite differences are good to a few thousandths
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], start, epsilon=1e-3) < 5e-3


def test_the_loss_is_torchs() -> None:
    random = np.random.default_rng(1)
    points = Directions(np.zeros(6, np.float32)).apply(random.standard_normal((30, 6)).astype(np.float32))
    labels, weight = random.integers(0, 4, 30), random.standard_normal((4, 6))
    cosines = torch.nn.functional.cosine_similarity(torch.tensor(points)[:, None], torch.tensor(weight)[None], dim=2)
    expected = torch.nn.functional.cross_entropy(7.0 * cosines, torch.tensor(labels))
    assert _CosineLoss(points, labels, 7.0, (4, 6))(weight.ravel())[0] == pytest.approx(float(expected), rel=1e-5)


def test_logits_are_cosines_times_the_scale() -> None:
    fit = CosineHead(CosineOptions(scale=7.0)).fit(digits(0, 300), none_of(), 10)
    logits = fit.head.logits(digits(300, 900).features)
    assert 5.0 < np.abs(logits).max() <= 7.001
    scaled_up = fit.head.logits(2 * digits(300, 301).features - digits(0, 300).features.mean(axis=0))
    np.testing.assert_allclose(scaled_up, logits[:1], atol=1e-4)  # twice as far from the centre, the same direction


def test_the_scale_is_chosen_on_validation_images() -> None:
    fit = CosineHead(CosineOptions()).fit(digits(0, 300), digits(300, 500), 10)
    losses = fit.record["validation_log_loss"]
    assert len(losses) == len(SCALES)
    assert float(min(losses, key=losses.get)) == fit.record["scale"]
