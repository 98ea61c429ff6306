"""Comparing backbones and heads on one dataset: accuracy with intervals, paired tests, costs, and which one to take."""

from __future__ import annotations

from tlcore.comparison.options import CompareOptions
from tlcore.comparison.result import Compared, Comparison
from tlcore.comparison.run import compare

__all__ = ["CompareOptions", "Compared", "Comparison", "compare"]
