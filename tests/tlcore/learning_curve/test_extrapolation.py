from __future__ import annotations

import numpy as np
import pytest

from tlcore.errors import DatasetError
from tlcore.learning_curve.extrapolation import Forecast, answer_of, extrapolate
from tlcore.learning_curve.power_law import PowerLaw, fit_power_law

SIZES = np.array([2.0, 4.0, 8.0, 16.0, 32.0])


def drawn(law: PowerLaw, seed: int, images: int = 400, draws: int = 5) -> np.ndarray:
    """Whether each image was named rightly, by draws that err at the law's rate."""
    random = np.random.default_rng(seed)
    hardness = random.random(images)
    errors = law.at(SIZES)[:, None, None]
    return np.clip(hardness + random.normal(0, 0.02, (len(SIZES), draws, images)), 0, 1) >= errors


@pytest.mark.parametrize(
    "law",
    [PowerLaw(floor=0.0, scale=0.6, exponent=0.4), PowerLaw(floor=0.2, scale=0.5, exponent=1.0), PowerLaw(floor=0.05, scale=0.0, exponent=1.0)],
    ids=["no-floor", "floor", "flat"],
)  # fmt: skip
def test_the_law_is_found_again(law: PowerLaw) -> None:
    found = fit_power_law(SIZES, law.at(SIZES))
    np.testing.assert_allclose(found.at(np.array([2.0, 20.0, 200.0])), law.at(np.array([2.0, 20.0, 200.0])), atol=0.01)


def test_the_intervals_cover_the_truth() -> None:
    law = PowerLaw(floor=0.05, scale=0.5, exponent=0.6)
    truth = 1 - float(law.at(SIZES[-1:] * 2)[0])
    covered = 0
    for seed in range(10):
        forecast = extrapolate(SIZES, drawn(law, seed), seed=seed).forecasts[0]
        assert forecast.low <= forecast.accuracy <= forecast.high
        covered += forecast.low <= truth <= forecast.high
    assert covered >= 8


@pytest.mark.parametrize(
    ("law", "words"),
    [(PowerLaw(floor=0.0, scale=0.8, exponent=0.4), ("Yes", "Probably:")), (PowerLaw(floor=0.1, scale=0.0, exponent=1.0), ("Hardly", "Probably not"))],
    ids=["falling", "flat"],
)  # fmt: skip
def test_the_answer_follows_the_curve(law: PowerLaw, words: tuple[str, ...]) -> None:
    assert extrapolate(SIZES, drawn(law, 0, images=2000), seed=0).answer.startswith(words)


@pytest.mark.parametrize(
    ("gain", "low", "high", "word"),
    [(0.02, 0.01, 0.03, "Yes: twice"), (0.001, 0.0, 0.004, "Hardly:"), (0.02, 0.0, 0.04, "Probably: "), (0.001, -0.01, 0.02, "Probably not:")],
)  # fmt: skip
def test_the_answer_in_words(gain: float, low: float, high: float, word: str) -> None:
    forecast = Forecast(times=2, per_class=20.0, accuracy=0.9, low=0.8, high=1.0, gain=gain, gain_low=low, gain_high=high)
    assert answer_of(forecast).startswith(word)


def test_perfect_from_the_start_needs_no_more() -> None:
    found = extrapolate(SIZES, np.ones((5, 3, 40), bool), seed=0)
    assert found.answer.startswith("Hardly")
    assert found.forecasts[0].accuracy == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("sizes", "errors", "told"),
    [([1.0, 2.0], [0.1, 0.2], "3 different sizes or more"), ([1.0, 1.0, 1.0], [0.1] * 3, "3 different sizes"), ([1.0, 2.0, 3.0], [0.1, np.nan, 0.2], "between 0 and 1")],
)  # fmt: skip
def test_what_cannot_be_fitted_is_told(sizes: list[float], errors: list[float], told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        fit_power_law(np.array(sizes), np.array(errors))
