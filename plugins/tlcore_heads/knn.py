"""The nearest-neighbour head: the vote of the training images whose features point the same way.

Source: Cover and Hart 1967; a neighbour's vote weighs its similarity less that of the first image that no longer votes
(after Dudani 1976, The distance-weighted k-nearest-neighbor rule), so that the answer changes smoothly where neighbours
change places. Similarity is the cosine of centred features, as in SimpleShot (Wang et al. 2019). How many vote, and how
sharp probabilities are, is chosen on training images, each left out in turn.

It keeps the features of every training image: four bytes each, in the bundle and in what is exported from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from tlcore.errors import HeadError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.metrics import fit_temperature
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.directions import Directions
from tlcore_heads.loss import log_loss
from tlcore_heads.options import NeighbourOptions
from tlcore_heads.tensors import take_tensors

if TYPE_CHECKING:
    import torch

TRIED = (1, 3, 5, 10, 20, 50)
"""How many neighbours are tried."""

JUDGED = 2000
"""At most so many training images, drawn by the seed, are left out in turn to choose by."""

PRIOR = 0.1
"""Votes that all classes share, in cosines: no class has probability nothing."""

_ROWS = 1024


def create(argument: str | None, options: NeighbourOptions) -> NeighbourHead:
    """Make the head."""
    return NeighbourHead(options)


class FittedNeighbours(FittedHead):
    """Stored directions and labels that vote.

    Args:
        directions: how raw features become directions.
        stored: (images, features) float32, of length 1.
        labels: (images,) int64.
        classes: how many.
        neighbours: how many vote, fewer than the images.
        temperature: what the logarithms of the shares are divided by.
    """

    def __init__(
        self,
        directions: Directions,
        stored: Float32[np.ndarray, "images features"],
        labels: Int64[np.ndarray, " images"],
        classes: int,
        neighbours: int,
        temperature: float,
    ) -> None:
        self._directions = directions
        self._stored = stored
        self._labels = labels
        self._classes = classes
        self._neighbours = neighbours
        self._temperature = temperature

    @property
    def classes(self) -> int:
        return self._classes

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        logits = np.empty((len(features), self._classes), np.float32)
        for start in range(0, len(features), _ROWS):
            similar = self._directions.apply(features[start : start + _ROWS]) @ self._stored.T
            logits[start : start + _ROWS] = vote(similar, self._labels, self._classes, self._neighbours)
        return logits / np.float32(self._temperature)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {
            "centre": self._directions.centre,
            "stored": self._stored,
            "labels": self._labels,
            "settings": np.array([self._classes, self._neighbours, self._temperature], np.float64),
        }

    def torch_module(self) -> torch.nn.Module:
        import torch

        from tlcore_heads.modules import Divided, VoteModule

        voting = VoteModule(self._stored, self._labels, self._classes, self._neighbours, PRIOR)
        return torch.nn.Sequential(self._directions.torch_module(), voting, Divided(self._temperature))


class NeighbourHead(Head):
    """The vote of the nearest; see the module's text."""

    def __init__(self, options: NeighbourOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        progress(ProgressEvent("knn head", 0, 2))
        fitted, neighbours, losses = self._fit(train, classes, seed)
        progress(ProgressEvent("knn head", 1, 2))
        logits = None
        if len(validation.labels):
            logits = fitted.compute_logits(validation.features)
            fitted, neighbours, losses = self._fit(train.joined(validation), classes, seed)
        progress(ProgressEvent("knn head", 2, 2))
        images, size = len(train.labels) + len(validation.labels), train.features.shape[1]
        stored = 4 * images * size
        record = {
            "neighbours": neighbours,
            "left_out_log_loss": {str(count): round(loss, 6) for count, loss in losses.items()},
            "stored": {"images": images, "features": size, "bytes": stored},
        }
        note = f"knn keeps the features of its {images:,} images: {stored / 1e6:,.1f} MB here and in every exported file"
        return HeadFit(head=fitted, validation_logits=logits, record=record, notes=(note,))

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedNeighbours:
        dimensions = {"centre": 1, "stored": 2, "labels": 1, "settings": 1}
        centre, stored, labels, settings = take_tensors(tensors, dimensions, "knn")
        if len(settings) != 3 or len(labels) != len(stored) or not 1 <= settings[1] < len(stored) or not settings[2] > 0:
            raise HeadError(f"a knn head of {len(stored)} images and {len(labels)} labels cannot have settings {settings}")
        return FittedNeighbours(
            Directions(centre), stored, labels.astype(np.int64), int(settings[0]), int(settings[1]), float(settings[2])
        )

    def _fit(self, data: HeadData, classes: int, seed: int) -> tuple[FittedNeighbours, int, dict[int, float]]:
        directions = Directions.of(data.features)
        stored = directions.apply(data.features)
        most = len(stored) - 1
        asked = self._options.neighbours
        if asked is not None and asked > most:
            raise HeadError(
                f"knn: {asked} neighbours cannot vote among {len(stored)} training images; "
                f"set head.neighbours to {most} or less, or leave it out"
            )
        counts = (asked,) if asked is not None else tuple(count for count in TRIED if count <= most)
        judged = np.random.default_rng(seed).permutation(len(stored))[:JUDGED]
        found: dict[int, tuple[float, float]] = {}
        for count, logits in _left_out(stored, data, classes, counts, judged):
            temperature = fit_temperature(logits, data.labels[judged])
            found[count] = (log_loss(logits / np.float32(temperature), data.labels[judged]), temperature)
        chosen = min(found, key=lambda count: found[count][0])
        fitted = FittedNeighbours(directions, stored, data.labels, classes, chosen, found[chosen][1])
        return fitted, chosen, {count: loss for count, (loss, _) in found.items()}


def _left_out(
    stored: np.ndarray, data: HeadData, classes: int, counts: tuple[int, ...], judged: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number of neighbours and logits of the judged rows, none of which its own image votes on."""
    parts: dict[int, list[np.ndarray]] = {count: [] for count in counts}
    for start in range(0, len(judged), _ROWS):
        rows = judged[start : start + _ROWS]
        similar = stored[rows] @ stored.T
        similar[data.images[rows][:, None] == data.images] = -1.0
        for count in counts:
            parts[count].append(vote(similar, data.labels, classes, count))
    for count, logits in parts.items():
        yield count, np.concatenate(logits)


def vote(
    similar: Float32[np.ndarray, "images stored"], labels: Int64[np.ndarray, " stored"], classes: int, neighbours: int
) -> Float32[np.ndarray, "images classes"]:
    """Return the logarithm of each class's share of the votes.

    Args:
        similar: cosines to the stored images.
        labels: theirs.
        classes: how many.
        neighbours: how many vote, fewer than are stored.
    """
    place = similar.shape[1] - neighbours - 1
    nearest = np.argpartition(similar, place, axis=1)[:, place:]
    values = np.take_along_axis(similar, nearest, axis=1)
    weights = values - values.min(axis=1, keepdims=True)
    votes = np.full((len(similar), classes), PRIOR / classes, np.float32)
    np.add.at(votes, (np.arange(len(similar))[:, None], labels[nearest]), weights)
    logits: np.ndarray = np.log(votes / votes.sum(axis=1, keepdims=True))
    return logits
