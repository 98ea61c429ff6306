"""Accuracy against images per class, and what more images would bring."""

from __future__ import annotations

from tlcore.learning_curve.run import LearningCurve, LearningCurveOptions, draw_learning_curve

__all__ = ["LearningCurve", "LearningCurveOptions", "draw_learning_curve"]
