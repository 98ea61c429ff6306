"""Looking into a network in one call, from names as a person gives them, and what comes of it as files."""

from __future__ import annotations

from tlcore.visualization.files import save_visualization
from tlcore.visualization.run import VisualizeOptions, visualize

__all__ = ["VisualizeOptions", "save_visualization", "visualize"]
