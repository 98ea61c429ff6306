"""How an error rate falls with the number of examples: an inverse power law, its fit, and what it foretells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from tlcore.errors import DatasetError

LEAST_SIZES = 3

_EXPONENTS = np.linspace(0.05, 2.0, 391)


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """``error(n) = floor + scale * n ** -exponent``.

    Attributes:
        floor: the error that no number of examples goes below, in [0, 1].
        scale: the error above the floor at one example, at least 0.
        exponent: how fast it falls, in [0.05, 2].

    Source: Cortes et al. 1993, Learning curves: asymptotic values and rate of convergence; Hestness et al. 2017, Deep
    learning scaling is predictable, empirically.
    """

    floor: float
    scale: float
    exponent: float

    def at(self, sizes: Float64[np.ndarray, " sizes"]) -> Float64[np.ndarray, " sizes"]:
        """Return the error at numbers of examples, in [0, 1].

        >>> PowerLaw(floor=0.1, scale=0.4, exponent=0.5).at(np.array([1.0, 4.0])).round(3).tolist()
        [0.5, 0.3]
        """
        errors: np.ndarray = np.clip(self.floor + self.scale * sizes**-self.exponent, 0.0, 1.0)
        return errors


def fit_power_law(sizes: Float64[np.ndarray, " sizes"], errors: Float64[np.ndarray, " sizes"]) -> PowerLaw:
    """Fit the law to mean error rates by least squares, larger sizes weighing more (Figueroa et al. 2012).

    Floor and scale follow from the exponent in closed form; the exponent is the best of a fine grid, so that the fit is the
    best there is and takes no starting point.

    Args:
        sizes: numbers of examples, positive, of three different values or more.
        errors: mean error rate at each, in [0, 1].

    Raises:
        DatasetError: too few sizes, or an error rate that is none.

    Examples:
        >>> sizes = np.array([2.0, 4.0, 8.0, 16.0, 32.0])
        >>> law = fit_power_law(sizes, 0.05 + 0.5 * sizes**-0.7)
        >>> round(law.floor, 3), round(law.scale, 3), round(law.exponent, 3)
        (0.05, 0.5, 0.7)
    """
    if len(np.unique(sizes)) < LEAST_SIZES or sizes.min() <= 0:
        raise DatasetError(
            f"a learning curve needs {LEAST_SIZES} different sizes or more, got {sorted(set(sizes.tolist()))}"
        )
    if not (np.isfinite(errors).all() and errors.min() >= 0 and errors.max() <= 1):
        raise DatasetError("a learning curve needs error rates between 0 and 1")
    weights = sizes / sizes.sum()
    falls = sizes ** -_EXPONENTS[:, None]
    mean_fall, mean_error = falls @ weights, float(errors @ weights)
    moved = falls - mean_fall[:, None]
    scale = np.maximum((moved * (errors - mean_error)) @ weights / (np.square(moved) @ weights), 0.0)
    floor = mean_error - scale * mean_fall
    # A floor below nothing is none; the scale is then the best without.
    scale = np.where(floor < 0, (falls * errors) @ weights / (np.square(falls) @ weights), scale)
    floor = np.maximum(floor, 0.0)
    residuals = np.square(floor[:, None] + scale[:, None] * falls - errors) @ weights
    best = int(residuals.argmin())
    return PowerLaw(floor=float(floor[best]), scale=float(scale[best]), exponent=float(_EXPONENTS[best]))
