"""The main job: from a dataset's name to a bundle, measured on images held out."""

from __future__ import annotations

from tlcore.training.run import TrainOptions, TrainResult, find_learning_rate, train

__all__ = ["TrainOptions", "TrainResult", "find_learning_rate", "train"]
