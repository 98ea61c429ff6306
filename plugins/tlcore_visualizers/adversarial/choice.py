"""From what was set to the attack that does it."""

from __future__ import annotations

from tlcore_visualizers.adversarial.apgd import QUICK_STEPS, STANDARD_STEPS, AutoProjectedGradient
from tlcore_visualizers.adversarial.attack import Attack
from tlcore_visualizers.adversarial.by_queries import ByQueries
from tlcore_visualizers.adversarial.carlini_wagner import CarliniWagner
from tlcore_visualizers.adversarial.deepfool import DeepFool
from tlcore_visualizers.adversarial.descent import PixelDescent
from tlcore_visualizers.adversarial.fgsm import FastGradient
from tlcore_visualizers.adversarial.minimal import MinimalEpsilon
from tlcore_visualizers.adversarial.options import AdversarialOptions
from tlcore_visualizers.adversarial.pgd import ProjectedGradient
from tlcore_visualizers.adversarial.universal import UniversalPerturbation

_STEPS = {
    "pgd": (40, 10),
    "bim": (40, 10),
    "apgd": (STANDARD_STEPS, QUICK_STEPS),
    "deepfool": (50, 20),
    "carlini-wagner": (200, 40),
    "minimal": (20, 8),
    "universal": (40, 10),
    "patch": (300, 60),
    "square": (5000, 500),
    "lesson": (200, 50),
}
"""Method to its steps under the labels ``"standard"`` and ``"quick"``."""


def steps_of(options: AdversarialOptions) -> int:
    """Return how many steps the attack may take."""
    standard, quick = _STEPS.get(options.method, (1, 1))
    if options.steps is not None:
        return options.steps
    return standard if options.strength == "standard" else quick


def make_attack(options: AdversarialOptions) -> Attack:
    """Return the attack that the options describe; of method ``"patch"``, which changes scenes otherwise, there is none."""
    epsilon, norm, steps = options.radius, options.norm, steps_of(options)
    match options.method:
        case "fgsm":
            return FastGradient(epsilon=epsilon, norm=norm, loss=options.loss)
        case "apgd":
            return AutoProjectedGradient(
                epsilon=epsilon, norm=norm, steps=steps, restarts=options.restarts, loss=options.loss
            )
        case "deepfool":
            return DeepFool(norm=norm, steps=steps)
        case "carlini-wagner":
            return CarliniWagner(steps=steps)
        case "minimal":
            largest = 1.0 if norm == "linf" else 100.0
            return MinimalEpsilon(norm=norm, steps=steps, largest=largest, tolerance=_tolerance(norm))
        case "universal":
            return UniversalPerturbation(epsilon=epsilon, epochs=steps)
        case "square":
            return ByQueries(epsilon=epsilon, queries=steps)
        case "lesson":
            return PixelDescent(rate=options.rate, steps=steps)
        case _:
            return ProjectedGradient(
                epsilon=epsilon,
                norm=norm,
                steps=steps,
                momentum=options.momentum,
                restarts=options.restarts,
                random_start=options.method == "pgd",
                loss=options.loss,
            )


def _tolerance(norm: str) -> float:
    return 0.1 / 255 if norm == "linf" else 0.01
