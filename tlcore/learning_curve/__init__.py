"""Accuracy against images per class, and what more images would bring."""

from __future__ import annotations

from tlcore.learning_curve.result import LearningCurve
from tlcore.learning_curve.run import LearningCurveOptions, draw_learning_curve

__all__ = ["LearningCurve", "LearningCurveOptions", "draw_learning_curve"]
