"""Estimates with their 95 % intervals, by scipy's bootstrap or the jackknife."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64

from tlcore.metrics import NORMAL_975, Share

BCA_UP_TO = 2000
"""Up to so many images the bias-corrected and accelerated bootstrap is used, which needs each image left out once; above
it the plain percentiles, from which it then differs no more."""

STUDENTIZED_FROM = 50
"""From so many images on the studentized bootstrap is used for means."""

MOST_ODDS = 3.0
"""By what factor an image may at most move the odds of an area; 2 makes intervals too short, 8 useless in small classes."""

_BATCH_NUMBERS = 4_000_000
"""Resampled positions held at once."""

Statistic = Callable[[Int64[np.ndarray, "resamples images"]], Float64[np.ndarray, "measures resamples"]]
"""Measures of resampled images, given by position, each row one resample."""


@dataclass(frozen=True)
class Estimate:
    """A measured number with its 95 % interval.

    Attributes:
        value: the number.
        low, high: the interval's bounds; None where too few images allow none.
        method: how the interval was made: ``"Wilson"``, ``"bootstrap BCa"``, ``"bootstrap percentile"``,
            ``"bootstrap studentized"``, ``"jackknife logit"``, ``"test inversion"`` (see
            `tlcore.evaluation.calibration`), or ``"none"``.

    Examples:
        >>> print(Estimate(0.25, 0.2, 0.31, "Wilson"))
        0.250 [0.200, 0.310]
    """

    value: float
    low: float | None
    high: float | None
    method: str

    @classmethod
    def of_share(cls, share: Share) -> Estimate:
        """Return a share as an estimate."""
        return cls(share.value, share.low, share.high, "Wilson")

    def percent(self) -> str:
        """Return the number and its interval in percent, as text."""
        interval = "" if self.low is None or self.high is None else f" [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} %{interval}"

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON-ready values."""
        return {"value": self.value, "low": self.low, "high": self.high, "method": self.method}


def bootstrap(statistic: Statistic, images: int, *, resamples: int, seed: int) -> list[Estimate]:
    """Return each measure of a statistic with its bootstrap interval over images, BCa up to `BCA_UP_TO`, then percentile.

    Args:
        statistic: from positions of images, (resamples, images), to measures, (measures, resamples).
        images: how many there are. One image has no interval; where all resamples agree, the interval is that one number.
        resamples: how many to draw.
        seed: of the drawing.

    Source: Efron 1987, Better bootstrap confidence intervals, as `scipy.stats.bootstrap` computes them.

    Examples:
        >>> numbers = np.array([1.0, 2.0, 3.0, 4.0])
        >>> bootstrap(lambda rows: numbers[rows].mean(axis=-1)[np.newaxis], 4, resamples=100, seed=0)[0].value
        2.5
    """
    values = statistic(np.arange(images)[np.newaxis])[:, 0]
    if images < 2:
        return [Estimate(float(value), None, None, "none") for value in values]
    method: Literal["BCa", "percentile"] = "BCa" if images <= BCA_UP_TO else "percentile"
    low, high = _scipy_interval(statistic, images, method, resamples, seed)
    if method == "BCa" and not np.isfinite([low, high]).all():
        # Measures on which leaving one image out tells nothing have no BCa interval; their percentiles exist always.
        plain_low, plain_high = _scipy_interval(statistic, images, "percentile", resamples, seed)
        low, high = (np.where(np.isfinite(low + high), bca, plain) for bca, plain in ((low, plain_low), (high, plain_high)))
    return [
        Estimate(float(value), float(below), float(above), f"bootstrap {method}")
        for value, below, above in zip(values, low, high, strict=True)
    ]


def bootstrap_mean(values: Float64[np.ndarray, " images"], *, resamples: int, seed: int) -> Estimate:
    """Return the mean of one number per image with its interval.

    Losses are skewed: most images cost next to nothing and a few very much. Their interval is the studentized bootstrap's,
    which holds the truth as often as it says where the others fall short; below `STUDENTIZED_FROM` images, where it becomes
    unsteady, it is that of `bootstrap`. The resampled means are scipy's.

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 12.

    Args:
        values: one number per image.
        resamples: how many to draw.
        seed: of the drawing.
    """
    count = len(values)
    spread = float(values.std())
    if count < STUDENTIZED_FROM or spread == 0:
        return bootstrap(lambda rows: values[rows].mean(axis=1)[np.newaxis], count, resamples=resamples, seed=seed)[0]

    def mean_and_spread(rows: np.ndarray) -> np.ndarray:
        drawn = values[rows]
        return np.stack([drawn.mean(axis=1), drawn.std(axis=1)])

    mean = float(values.mean())
    means, spreads = _resampled(mean_and_spread, count, "percentile", resamples, seed).bootstrap_distribution
    ratios = (means - mean) / np.maximum(spreads, 1e-12 * spread)
    low, high = mean - spread * np.quantile(ratios, [0.975, 0.025])
    return Estimate(mean, float(low), float(high), "bootstrap studentized")


def jackknife_logit(value: float, left_out: Float64[np.ndarray, " images"], worth: float) -> Estimate:
    """Return a measure in [0, 1], such as an area under a curve, with its interval by the jackknife on the logit's scale.

    The bootstrap's intervals of areas are too short near 1, and an average precision comes out too large with few images of
    the class. On the logit's scale an area is nearly normal (Pepe 2003, chapter 5; Boyd, Eng and Page 2013 for the average
    precision), and the jackknife gives both its bias and its standard error there (Miller 1974, The jackknife: a review). No
    single image moves the odds by more than `MOST_ODDS`: without the one pair in wrong order an area would be 1, infinitely
    far away. A measure of exactly 1 or 0 has the Wilson interval of as many images without a mistake.

    Args:
        value: with all images.
        left_out: without each image in turn.
        worth: how many independent images the measure is worth where it is 0 or 1; below 2 there is no interval.
    """
    images = len(left_out)
    if images < 2 or worth < 2:
        return Estimate(value, None, None, "none")
    if not 0 < value < 1:
        return at_its_bound(value, worth)
    centre, reach = math.log(value / (1 - value)), math.log(MOST_ODDS)
    with np.errstate(divide="ignore"):
        moved = np.clip(np.log(left_out / (1 - left_out)) - centre, -reach, reach)
    corrected = centre - (images - 1) * float(moved.mean())
    half = NORMAL_975 * math.sqrt((images - 1) * float(moved.var()))
    low, high = (1 / (1 + math.exp(-bound)) for bound in (corrected - half, corrected + half))
    return Estimate(value, min(low, value), max(high, value), "jackknife logit")


def at_its_bound(value: float, worth: float) -> Estimate:
    """Return a measure of exactly 0 or 1, on which resampling shows no variation, with Wilson's interval.

    Args:
        value: 0 or 1.
        worth: how many independent images it is worth; see `worth_of`.

    Examples:
        >>> print(at_its_bound(1.0, 10.0))
        1.000 [0.722, 1.000]
    """
    missed = NORMAL_975**2 / (worth + NORMAL_975**2)
    return Estimate(value, 1 - missed if value else 0.0, 1.0 if value else missed, "Wilson")


def worth_of(sizes: Int64[np.ndarray, " classes"]) -> float:
    """Return how many images a mean over classes is worth: one share of so many images has the same variance.

    >>> worth_of(np.array([30, 30])), round(worth_of(np.array([30, 5])), 1)
    (60.0, 17.1)
    """
    return len(sizes) ** 2 / float((1 / sizes).sum())


def _scipy_interval(
    statistic: Statistic, images: int, method: str, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    interval = _resampled(statistic, images, method, resamples, seed).confidence_interval
    return np.atleast_1d(interval.low), np.atleast_1d(interval.high)


def _resampled(statistic: Statistic, images: int, method: str, resamples: int, seed: int) -> Any:
    """Return what `scipy.stats.bootstrap` makes of a statistic of positions."""
    from scipy import stats

    def measures(rows: np.ndarray, axis: int) -> np.ndarray:
        found = statistic(rows.reshape(-1, rows.shape[-1]))
        return found.reshape(len(found), *rows.shape[:-1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.filterwarnings("ignore", "invalid value|divide by zero", RuntimeWarning)
        return stats.bootstrap(
            (np.arange(images),),
            measures,
            n_resamples=resamples,
            batch=max(1, math.ceil(_BATCH_NUMBERS / images)),
            vectorized=True,
            method=method,
            rng=np.random.default_rng(seed),
        )
