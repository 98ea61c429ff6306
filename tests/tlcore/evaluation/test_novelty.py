from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tlcore.evaluation.novelty import conformal_quantile, measure_novelty


def cloud(seed: int, images: int, centre: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    direction = np.concatenate([np.ones(8), -np.ones(8)]) if centre else np.ones(16)
    return (direction * 3 + random.normal(size=(images, 16))).astype(np.float32)


@pytest.mark.parametrize("held_out", [400, 0], ids=["held-out images", "training images left out one by one"])
def test_familiar_images_alarm_as_often_as_stated_and_others_always(held_out: int) -> None:
    train, held = cloud(0, 500), cloud(1, held_out)
    found = measure_novelty(np.concatenate([cloud(2, 2000), cloud(3, 200, 1.0)]), train, held, false_alarm_rate=0.1)
    assert found.held_out == bool(held_out)
    assert 0.06 < found.unfamiliar[:2000].mean() < 0.14
    assert found.unfamiliar[2000:].all()
    assert roc_auc_score(np.arange(2200) >= 2000, found.scores) > 0.99


def test_the_threshold_holds_on_average() -> None:
    """Of 2,000 thresholds chosen on 39 scores each, at 10 %: a new score exceeds 10 % of them at most."""
    random = np.random.default_rng(0)
    alarms = [random.normal() > (conformal_quantile(random.normal(size=39), 0.1) or np.inf) for _ in range(2000)]
    assert 0.08 < np.mean(alarms) < 0.12


def test_too_few_familiar_images_choose_no_threshold() -> None:
    found = measure_novelty(cloud(0, 5), cloud(1, 30), cloud(2, 0), false_alarm_rate=0.01)
    assert found.threshold is None and found.flagged is None and not found.unfamiliar.any()
