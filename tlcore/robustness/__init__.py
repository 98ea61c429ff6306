"""How much of a classifier's accuracy survives attacks, by how far they may change a picture."""

from __future__ import annotations

from tlcore.robustness.result import WORST, Robustness
from tlcore.robustness.run import RobustnessOptions, measure_robustness

__all__ = ["WORST", "Robustness", "RobustnessOptions", "measure_robustness"]
