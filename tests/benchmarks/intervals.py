"""How often the 95 % intervals of an evaluation hold the truth, in a simulation: 95 +- 1.5 % is asked for.

A simulated model answers images of five classes of unequal size; the truth is what it scores on two million images. Run as
``python -m tests.benchmarks.intervals [--simulations 1000] [--resamples 1000]``; with 1,000 simulations the figures are
themselves known to 0.7 points.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tlcore.bundle import softmax
from tlcore.dataset import Sample
from tlcore.evaluation.curves import one_against_rest
from tlcore.evaluation.intervals import Estimate
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.quality import Quality, measure_quality
from tlcore.images import BytesImage
from tlcore.metrics import Share
from tlcore.progress import silent

PRIOR = np.array([0.35, 0.25, 0.2, 0.12, 0.08])
MEASURES = (
    "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_gap", "calibration_error",
    "macro_area", "macro_average_precision",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A simulated model: how much it knows, and by how much it is too sure of itself."""

    name: str
    signal: float
    overconfidence: float


WORLDS = (World("good, calibrated", 3.2, 1.0), World("good, too sure", 3.2, 1.7), World("middling", 1.5, 1.0))


def draw(world: World, images: int, random: np.random.Generator) -> Predictions:
    """Draw images, and what the model says of them: its logits are those of Bayes' rule, times its overconfidence."""
    labels = random.choice(len(PRIOR), images, p=PRIOR)
    evidence = random.normal(size=(images, len(PRIOR))) + world.signal * np.eye(len(PRIOR))[labels]
    logits = (world.signal * evidence + np.log(PRIOR)) * world.overconfidence
    return Predictions(
        class_names=tuple("abcde"),
        samples=tuple(Sample(BytesImage(b""), str(index), int(label)) for index, label in enumerate(labels)),
        probabilities=softmax(logits.astype(np.float32)),
    )


def truth(world: World, images: int) -> dict[str, float]:
    """Return what the model scores on very many images."""
    predictions = draw(world, images, np.random.default_rng(99))
    return {name: estimate.value for name, estimate in estimates(predictions, resamples=2)}


def estimates(predictions: Predictions, resamples: int) -> Iterator[tuple[str, Estimate]]:
    quality: Quality = measure_quality(predictions, resamples=resamples, seed=0)
    yield "accuracy", Estimate.of_share(Share.of(int(predictions.correct.sum()), len(predictions.samples)))
    curves = one_against_rest(predictions, silent, resamples=resamples, seed=0)
    for name in MEASURES[1:]:
        estimate = getattr(curves if name.startswith("macro_a") else quality, name)
        assert estimate is not None
        yield name, estimate


def coverage(
    world: World, true: dict[str, float], images: int, simulations: int, resamples: int, seed: int
) -> dict[str, float]:
    """Return the share of simulations whose interval holds the truth, by measure."""
    held = dict.fromkeys(MEASURES, 0)
    for number in range(simulations):
        predictions = draw(world, images, np.random.default_rng([seed, number]))
        for name, estimate in estimates(predictions, resamples):
            assert estimate.low is not None and estimate.high is not None
            held[name] += estimate.low <= true[name] <= estimate.high
    return {name: count / simulations for name, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--images", type=int, nargs="+", default=[300, 1000])
    chosen = parser.parse_args()
    print(f"{'':>28}" + "".join(f"{name:>19}" for name in MEASURES))
    for world in WORLDS:
        true = truth(world, 2_000_000)
        print(f"{world.name + ', truth':>28}" + "".join(f"{true[name]:>19.4f}" for name in MEASURES), flush=True)
        for images in chosen.images:
            found = coverage(world, true, images, chosen.simulations, chosen.resamples, seed=images)
            print(f"{images:>21} images" + "".join(f"{100 * found[name]:>18.1f}%" for name in MEASURES), flush=True)


if __name__ == "__main__":
    main()
