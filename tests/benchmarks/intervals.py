"""How often the 95 % intervals of an evaluation hold the truth, in a simulation: 95 +- 1.5 % is asked for.

A simulated model answers images of classes of unequal size; the truth is what it scores on two million images. Run as
``python -m tests.benchmarks.intervals [--simulations 2000] [--world NAME]``; with 2,000 simulations a figure is itself known to
0.5 points (one standard error), and what is marked with a star lies outside 95 +- 1.5 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tlcore.dataset import Sample
from tlcore.evaluation.curves import one_against_rest
from tlcore.evaluation.intervals import Estimate
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.quality import Quality, measure_quality
from tlcore.images import BytesImage
from tlcore.metrics import Share
from tlcore.progress import silent
from tlcore.softmax import softmax

FIVE = (0.35, 0.25, 0.2, 0.12, 0.08)
MEASURES = (
    "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_gap", "calibration_error",
    "macro_area", "macro_average_precision",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A simulated model: how much it knows, by how much it is too sure of itself, and how large the classes are."""

    name: str
    signal: float
    overconfidence: float
    prior: tuple[float, ...] = FIVE


WORLDS = (
    World("good", 3.2, 1.0),
    World("too-sure", 3.2, 1.7),
    World("too-shy", 3.2, 0.6),
    World("middling", 1.5, 1.0),
    World("weak", 0.7, 1.0),
    World("one-in-ten", 1.5, 1.0, (0.9, 0.1)),
)


def draw(world: World, images: int, random: np.random.Generator) -> Predictions:
    """Draw images, and what the model says of them: its logits are those of Bayes' rule, times its overconfidence."""
    classes = len(world.prior)
    labels = random.choice(classes, images, p=world.prior)
    evidence = random.normal(size=(images, classes)) + world.signal * np.eye(classes)[labels]
    logits = (world.signal * evidence + np.log(world.prior)) * world.overconfidence
    return Predictions(
        class_names=tuple("abcde"[:classes]),
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
    curves = one_against_rest(predictions, silent)
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
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--images", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--world", choices=[world.name for world in WORLDS], nargs="+", help="these alone")
    chosen = parser.parse_args()
    print(f"{'':>22}" + "".join(f"{name.replace('average_precision', 'precision'):>19}" for name in MEASURES))
    for world in (world for world in WORLDS if not chosen.world or world.name in chosen.world):
        true = truth(world, 2_000_000)
        print(f"{world.name + ', truth':>22}" + "".join(f"{true[name]:>18.4f} " for name in MEASURES), flush=True)
        for images in chosen.images:
            found = coverage(world, true, images, chosen.simulations, chosen.resamples, seed=images)
            marks = {name: " " if abs(found[name] - 0.95) < 0.0151 else "*" for name in MEASURES}
            cells = "".join(f"{100 * found[name]:>16.1f} %{marks[name]}" for name in MEASURES)
            print(f"{images:>15} images" + cells, flush=True)


if __name__ == "__main__":
    main()
