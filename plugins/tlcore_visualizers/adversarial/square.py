"""The Square attack: random squares and the network's answers, no gradients; works on an exported file, without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from tlcore.progress import Progress, ProgressEvent, silent

Answers = Callable[[UInt8[np.ndarray, "images height width 3"]], Float32[np.ndarray, "images classes"]]
"""From pictures to logits or log-probabilities; for instance ``lambda p: classifier.run(p, ("logits",))["logits"]``."""

_HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which the squares' area is halved: the paper's schedule for 10,000 queries."""


@dataclass(frozen=True, kw_only=True)
class SquareResult:
    """What the Square attack gave.

    Attributes:
        images: (images, height, width, 3), uint8, within epsilon of the originals.
        margin: by how many logits each misses the goal; below 0 it is reached.
        queries: how often each image was asked about.
    """

    images: UInt8[np.ndarray, "images height width 3"]
    margin: Float32[np.ndarray, " images"]
    queries: Int64[np.ndarray, " images"]


@dataclass(frozen=True, kw_only=True)
class SquareAttack:
    """Random search with squares of ±epsilon, each image until it is fooled, in whole levels of 8 bits.

    Source: Andriushchenko et al. 2020, Square attack: a query-efficient black-box adversarial attack via random search
        (arXiv 1912.00049), algorithms 1 and 2 for Linf. Where we deviate: pictures are whole levels throughout, so that
        what is saved is what was asked about.

    Attributes:
        levels: largest change of a pixel, in levels of 255.
        queries: at most, for each image.
        first_share: share of the pixels in the first squares.
        confidence: by how many logits the goal is to be exceeded.

    Examples:
        >>> def answers(pictures):  # light pictures are of class 1
        ...     light = pictures.mean(axis=(1, 2, 3), dtype=np.float32) - 128
        ...     return np.stack([-light, light], axis=1)
        >>> grey = np.full((1, 8, 8, 3), 126, np.uint8)
        >>> found = SquareAttack(levels=8, queries=50).run(answers, grey, np.array([0]))
        >>> bool(found.margin[0] < 0)
        True
    """

    levels: int
    queries: int = 1000
    first_share: float = 0.3
    confidence: float = 0.0

    def run(
        self,
        answers: Answers,
        images: UInt8[np.ndarray, "images height width 3"],
        labels: Int64[np.ndarray, " images"],
        *,
        targeted: bool = False,
        mask: np.ndarray | None = None,
        seed: int = 0,
        progress: Progress = silent,
        keep: Callable[[Callable[[], SquareResult]], None] | None = None,
    ) -> SquareResult:
        """Attack pictures by their answers alone.

        Args:
            answers: the network.
            images: the originals.
            labels: of each image the class to leave, or where `targeted` the class to reach.
            targeted: which of the two.
            mask: True where a pixel may change, (images, height, width); None for everywhere.
            seed: of the squares.
            progress: told how many queries are done.
            keep: given at the start a function that returns the best so far.
        """
        random = np.random.default_rng(seed)
        state = _State(images.copy(), self._margin(answers(images), labels, targeted), np.ones(len(images), np.int64))
        if keep is not None:
            keep(state.result)
        allowed = np.ones(images.shape[:3], bool) if mask is None else mask
        for query in range(1, self.queries):
            progress(ProgressEvent("square", query, self.queries))
            rows = np.flatnonzero(state.margin >= 0)
            if len(rows) == 0:
                break
            change = (
                self._stripes(images[rows], random)
                if query == 1
                else self._squares(images[rows], state.images[rows], query, random)
            )
            tried = np.clip(images[rows] + change * allowed[rows][..., None], 0, 255).astype(np.uint8)
            state.take(rows, tried, self._margin(answers(tried), labels[rows], targeted))
        progress(ProgressEvent("square", self.queries, self.queries))
        return state.result()

    def _stripes(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return vertical stripes of ±levels, a column and channel each: the paper's initial change."""
        signs = random.choice(np.array([-1, 1], np.int16), (len(images), 1, images.shape[2], 3))
        stripes: np.ndarray = np.broadcast_to(signs * np.int16(self.levels), images.shape).copy()
        return stripes

    def _squares(self, images: np.ndarray, current: np.ndarray, query: int, random: np.random.Generator) -> np.ndarray:
        """Return each image's change so far with one square replaced by another of ±levels."""
        height, width = images.shape[1:3]
        halvings = sum(query >= share * self.queries for share in _HALVED_AT)
        side = round((self.first_share / 2**halvings * height * width) ** 0.5)
        side = int(np.clip(side, 1, min(height, width)))
        change: np.ndarray = current.astype(np.int16) - images
        for row in range(len(images)):
            top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
            signs = random.choice(np.array([-1, 1], np.int16), 3)
            change[row, top : top + side, left : left + side] = signs * np.int16(self.levels)
        return change

    def _margin(self, logits: np.ndarray, labels: np.ndarray, targeted: bool) -> np.ndarray:
        rows = np.arange(len(labels))
        others = logits.copy()
        others[rows, labels] = -np.inf
        difference = others.max(axis=1) - logits[rows, labels]
        margin: np.ndarray = ((difference if targeted else -difference) + self.confidence).astype(np.float32)
        return margin


@dataclass
class _State:
    """The best of each image so far."""

    images: np.ndarray
    margin: np.ndarray
    queries: np.ndarray

    def take(self, rows: np.ndarray, tried: np.ndarray, margin: np.ndarray) -> None:
        """Keep the pictures that miss by less than what there is."""
        better = margin < self.margin[rows]
        self.images[rows[better]], self.margin[rows[better]] = tried[better], margin[better]
        self.queries[rows] += 1

    def result(self) -> SquareResult:
        """Return copies of what there is."""
        return SquareResult(images=self.images.copy(), margin=self.margin.copy(), queries=self.queries.copy())
