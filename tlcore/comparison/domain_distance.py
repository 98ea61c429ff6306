"""How far some images are from those a backbone knows, in its own features."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from tlcore.errors import DatasetError

NEIGHBOUR = 5
"""Which nearest reference image distances are taken to."""


@dataclass(frozen=True, kw_only=True)
class DomainDistance:
    """How far images lie from reference images.

    Attributes:
        images, references: how many.
        distance: median over the images of that to the fifth nearest reference image, features at length 1, in [0, 2].
        reference_distance: the same of the reference images among themselves.
        farther: probability that an image lies farther out than a reference image does, in [0, 1]; 0.5 is no distance at
            all, 1 is another world (the area under the ROC curve of telling the two apart by the distance).
    """

    images: int
    references: int
    distance: float
    reference_distance: float
    farther: float

    @property
    def ratio(self) -> float:
        """How many times farther than reference images are from each other; 1 is as near."""
        return self.distance / max(self.reference_distance, 1e-12)

    def to_dict(self) -> dict[str, Any]:
        """Return the distance as JSON-ready values."""
        return {**asdict(self), "ratio": self.ratio}


def domain_distance(
    features: Float32[np.ndarray, "images features"], reference: Float32[np.ndarray, "references features"]
) -> DomainDistance:
    """Measure how far images are from the reference images, for instance from samples of what the backbone was trained on.

    Args:
        features: of the images.
        reference: of at least 7 reference images, by the same backbone.

    Raises:
        DatasetError: too few images or reference images, or features of different backbones.

    Source: Sun et al. 2022, Out-of-distribution detection with deep nearest neighbors (2204.06507): features scaled to
    length 1, distance to the k-th nearest. Not the Fréchet distance, whose covariances need more images than features.

    Examples:
        >>> random = np.random.default_rng(0)
        >>> reference = random.standard_normal((50, 8)).astype(np.float32) + 4
        >>> near = random.standard_normal((20, 8)).astype(np.float32) + 4
        >>> far = random.standard_normal((20, 8)).astype(np.float32) - 4
        >>> domain_distance(near, reference).farther < 0.7, domain_distance(far, reference).farther
        (True, 1.0)
    """
    if len(reference) < NEIGHBOUR + 2 or len(features) < 1:
        raise DatasetError(
            f"a distance needs {NEIGHBOUR + 2} reference images or more and one image, "
            f"got {len(reference)} and {len(features)}"
        )
    if features.shape[1] != reference.shape[1]:
        raise DatasetError(f"features of {features.shape[1]} and of {reference.shape[1]} numbers are of different backbones")
    points, known = _unit(features), _unit(reference)
    own = _kth_distances(known, known, NEIGHBOUR + 1)
    found = _kth_distances(points, known, NEIGHBOUR)
    ordered = np.sort(own)
    below = np.searchsorted(ordered, found, "left") + np.searchsorted(ordered, found, "right")
    return DomainDistance(
        images=len(points),
        references=len(known),
        distance=float(np.median(found)),
        reference_distance=float(np.median(own)),
        farther=float(below.mean() / (2 * len(ordered))),
    )


def _unit(features: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.square(features, dtype=np.float64).sum(axis=1, keepdims=True))
    points: np.ndarray = features / np.maximum(lengths, 1e-12)
    return points


def _kth_distances(points: np.ndarray, known: np.ndarray, place: int) -> np.ndarray:
    """Return each point's distance to its `place`-th nearest of the known, itself included where it is one of them."""
    squared = np.empty(len(points))
    for start in range(0, len(points), 1024):
        similar = points[start : start + 1024] @ known.T
        squared[start : start + 1024] = 2 - 2 * np.partition(similar, -place, axis=1)[:, -place]
    distances: np.ndarray = np.sqrt(np.maximum(squared, 0))
    return distances
