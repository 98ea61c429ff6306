"""The linear head's sweep of strengths beside scikit-learn's LogisticRegression: time to the same optimum.

python -m tests.benchmarks.logistic_sweep [--images 25000] [--features 1280] [--classes 37] [--rounds 3]

Features are made up with a spectrum that falls like that of pooled features, standardised, float32. Both sweep the head's 13
strengths from strong to weak, each fit starting where the last one ended (``warm_start``). scikit-learn starts at its default
tolerance, and where its loss is more than 0.1 % above ours it goes on from there at a tenth of the tolerance; that time counts,
as does ours to prepare coordinates. Its time at the default tolerance alone, and how far it then is from the optimum, is told
too. Rounds alternate, and what is reported is the median of the ratios.
"""

from __future__ import annotations

import argparse
import time
import warnings
from statistics import median

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from tlcore_heads.linear import SWEEP
from tlcore_heads.logistic import LogisticProblem

ALLOWED = 1e-3
SMALLEST_TOLERANCE = 1e-9


def made_up(images: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    spectrum = np.arange(1, features + 1, dtype=np.float32) ** -0.7
    axes = np.linalg.qr(random.standard_normal((features, features)))[0].astype(np.float32)
    centres = 0.3 * random.standard_normal((classes, features)).astype(np.float32)
    labels = random.integers(0, classes, images)
    made = ((random.standard_normal((images, features)).astype(np.float32) + centres[labels]) * spectrum) @ axes
    return (made - made.mean(axis=0)) / made.std(axis=0), labels


def loss(features: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray, strength: float) -> float:
    """The loss both minimise, per image."""
    logits = features @ weight.T.astype(np.float32) + bias.astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    likelihood = logits[np.arange(len(labels)), labels] - np.log(np.exp(logits).sum(axis=1, dtype=np.float64))
    return float(-likelihood.sum() + np.square(weight).sum() / (2 * strength)) / len(labels)


def ours(features: np.ndarray, labels: np.ndarray, classes: int) -> tuple[float, list[float]]:
    """Seconds, and the loss at each strength."""
    seconds, losses, solution = 0.0, [], None
    problem = LogisticProblem(features, labels, np.ones(len(labels), np.float32), classes)
    for strength in SWEEP:
        started = time.perf_counter()
        solution = problem.solve(strength, solution, 1000)
        seconds += time.perf_counter() - started
        losses.append(loss(features, labels, solution[:, :-1], solution[:, -1], strength))
    return seconds, losses


def theirs(features: np.ndarray, labels: np.ndarray, wanted: list[float]) -> tuple[float, float, list[float]]:
    """Seconds to come within 0.1 % of `wanted` at every strength, seconds at the default tolerance, and the losses then."""
    total, at_default, losses = 0.0, 0.0, []
    model = LogisticRegression(warm_start=True, max_iter=10_000)
    for strength, best in zip(SWEEP, wanted, strict=True):
        tolerance = 1e-4
        while True:
            model.set_params(C=strength, tol=tolerance)
            started = time.perf_counter()
            model.fit(features, labels)
            seconds = time.perf_counter() - started
            total += seconds
            found = loss(features, labels, model.coef_, model.intercept_, strength)
            if tolerance == 1e-4:
                at_default += seconds
                losses.append(found)
            if found <= best * (1 + ALLOWED) or tolerance < SMALLEST_TOLERANCE:
                break
            tolerance /= 10
    return total, at_default, losses


def main() -> None:
    """Print each round and the median of the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=37)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    features, labels = made_up(arguments.images, arguments.features, arguments.classes)
    ratios, default_ratios = [], []
    for number in range(arguments.rounds):
        seconds, losses = ours(features, labels, arguments.classes)
        total, at_default, found = theirs(features, labels, losses)
        ratios.append(seconds / total)
        default_ratios.append(seconds / at_default)
        print(
            f"round {number + 1}: ours {seconds:.1f} s; scikit-learn {total:.1f} s to the same optimum, {at_default:.1f} s"
        )
        print("  at its default tolerance, whose losses are above ours by")
        print("  " + ", ".join(f"{100 * (other / own - 1):.2g} %" for own, other in zip(losses, found, strict=True)))
    print(f"ours / scikit-learn's time, to the same optimum: {median(ratios):.2f} (the bar: 0.5)")
    print(f"ours / scikit-learn's time at its default tolerance, not the same optimum: {median(default_ratios):.2f}")


if __name__ == "__main__":
    main()
