"""The main job: from a dataset's name to a bundle, measured on images held out. `run` reads from top to bottom."""

from __future__ import annotations

from tlcore.training.learning_rate import find_learning_rate
from tlcore.training.options import TrainOptions
from tlcore.training.result import TrainResult
from tlcore.training.run import train

__all__ = ["TrainOptions", "TrainResult", "find_learning_rate", "train"]
