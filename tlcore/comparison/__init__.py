"""Comparing backbones and heads on one dataset: accuracy with intervals, paired tests, costs, and which one to take."""

from __future__ import annotations

from tlcore.comparison.run import Compared, CompareOptions, Comparison, compare

__all__ = ["CompareOptions", "Compared", "Comparison", "compare"]
