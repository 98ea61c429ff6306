"""Reading a learning curve beyond its end: what more photos would bring, how sure that is, and the answer in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from tlcore.learning_curve.power_law import PowerLaw, fit_power_law

TIMES = (2, 4)
"""How many times the images at hand are foretold."""

_TOLD = {2: "twice", 4: "four times"}

WORTH = 0.005
"""Accuracy that counts as help: half a point."""

_ROUNDS = 1000


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What so many times the images would bring.

    Attributes:
        times: the images at hand.
        per_class: images of each class that is.
        accuracy, low, high: foretold, with the 95 % interval, in [0, 1].
        gain, gain_low, gain_high: over the images at hand, by the fitted curve; likewise.
    """

    times: int
    per_class: float
    accuracy: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """A learning curve's law and what it foretells.

    Attributes:
        law: error against images per class.
        forecasts: for twice and four times the images.
        sizes, fitted, low, high: the fitted accuracy and its 95 % band at images per class, from the least measured to
            the most foretold.
        answer: "Would more photos help?", in a sentence.
    """

    law: PowerLaw
    forecasts: tuple[Forecast, ...]
    sizes: tuple[float, ...]
    fitted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    answer: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "law": asdict(self.law),
            "forecasts": [asdict(forecast) for forecast in self.forecasts],
            "band": {name: list(getattr(self, name)) for name in ("sizes", "fitted", "low", "high")},
            "answer": self.answer,
        }


def extrapolate(
    per_class: Float64[np.ndarray, " sizes"], correct: Bool[np.ndarray, "sizes draws images"], *, seed: int
) -> Extrapolation:
    """Fit a law to the error rates and foretell it, with intervals by the bootstrap over draws and test images.

    Args:
        per_class: images of each class learnt from, growing.
        correct: whether each draw of each size named each test image rightly.
        seed: of the bootstrap.

    Source: Efron 1979 (bootstrap); the law is `PowerLaw`. The interval tells how well the law is known, not whether it holds
    beyond the data: new photos that differ from those at hand may bring more.
    """
    grid = np.geomspace(per_class[0], per_class[-1] * TIMES[-1], 40)
    asked = np.concatenate([[per_class[-1]], per_class[-1] * np.array(TIMES, np.float64), grid])
    law = fit_power_law(per_class, 1 - correct.mean(axis=(1, 2)))
    found = 1 - law.at(asked)
    random = np.random.default_rng(seed)
    rounds = np.stack([1 - _redrawn(per_class, correct, random).at(asked) for _ in range(_ROUNDS)])
    low, high = np.percentile(rounds, (2.5, 97.5), axis=0)
    low, high = np.minimum(low, found), np.maximum(high, found)
    forecasts = []
    for place, times in enumerate(TIMES, 1):
        gains = rounds[:, place] - rounds[:, 0]
        gain_low, gain_high = (float(value) for value in np.percentile(gains, (2.5, 97.5)))
        gain = float(found[place] - found[0])
        forecasts.append(
            Forecast(
                times=times,
                per_class=float(asked[place]),
                accuracy=float(found[place]),
                low=float(low[place]),
                high=float(high[place]),
                gain=gain,
                gain_low=min(gain_low, gain),
                gain_high=max(gain_high, gain),
            )
        )
    start = len(TIMES) + 1
    return Extrapolation(
        law=law,
        forecasts=tuple(forecasts),
        sizes=tuple(grid.tolist()),
        fitted=tuple(found[start:].tolist()),
        low=tuple(low[start:].tolist()),
        high=tuple(high[start:].tolist()),
        answer=answer_of(forecasts[0]),
    )


def answer_of(forecast: Forecast) -> str:
    """Answer whether more photos would help, by the gain that twice as many bring: half a point and more is help.

    >>> gain = {"gain": 0.03, "gain_low": 0.02, "gain_high": 0.04}
    >>> answer_of(Forecast(times=2, per_class=20.0, accuracy=0.9, low=0.88, high=0.92, **gain))
    'Yes: twice the photos (20 a class) would bring +3.0 points [2.0, 4.0], to about 90.0 %.'
    """
    if forecast.gain_low >= WORTH:
        word = "Yes"
    elif forecast.gain_high < WORTH:
        word = "Hardly"
    else:
        word = "Probably" if forecast.gain >= WORTH else "Probably not"
    gain, low, high = (100 * value for value in (forecast.gain, forecast.gain_low, forecast.gain_high))
    return (
        f"{word}: {_TOLD[forecast.times]} the photos ({forecast.per_class:.0f} a class) would bring {gain:+.1f} points "
        f"[{low:.1f}, {high:.1f}], to about {100 * forecast.accuracy:.1f} %."
    )


def _redrawn(
    per_class: Float64[np.ndarray, " sizes"],
    correct: Bool[np.ndarray, "sizes draws images"],
    random: np.random.Generator,
) -> PowerLaw:
    """Fit the law once more, to test images and draws drawn with replacement."""
    sizes, draws, images = correct.shape
    chosen = random.integers(0, images, images)
    errors = [1 - correct[size][random.integers(0, draws, draws)][:, chosen].mean() for size in range(sizes)]
    return fit_power_law(per_class, np.array(errors))
