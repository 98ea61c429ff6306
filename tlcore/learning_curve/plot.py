"""A learning curve as a picture: what was measured, the law through it, and its band beyond the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tlcore.display.accuracy_figure import AccuracyFigure, short_name
from tlcore.learning_curve.result import LearningCurve


def save_learning_curve_plot(curve: LearningCurve, path: Path) -> None:
    """Draw a learning curve and write the picture as PNG, at once or not at all."""
    figure = AccuracyFigure(height=4.6)
    axes = figure.axes
    band = curve.extrapolation
    sizes, fitted, low, high = (100 * np.array(values) for values in (band.sizes, band.fitted, band.low, band.high))
    sizes = sizes / 100
    here = curve.points[-1].per_class
    known, beyond = sizes <= here * 1.001, sizes >= here * 0.999
    axes.fill_between(sizes, low, high, color="#0072b2", alpha=0.15, linewidth=0, label="95 % band of the law")
    axes.plot(sizes[known], fitted[known], color="#0072b2", linewidth=1.5, label="law: error = a + b / images^c")
    axes.plot(sizes[beyond], fitted[beyond], color="#0072b2", linewidth=1.5, linestyle="--", label="foretold")
    figure.points(
        [point.per_class for point in curve.points],
        np.array([[point.lowest, point.accuracy, point.highest] for point in curve.points]),
        color="black",
        label="measured: mean, lowest, highest draw",
    )
    axes.axvline(here, color="#9aa4ae", linewidth=1)
    axes.annotate("all photos", (here, 0), xycoords=("data", "axes fraction"), xytext=(-4, 6), textcoords="offset points",
                  ha="right", fontsize=8, color="#5b6470")  # fmt: skip
    axes.set_xlabel("photos of each class to learn from")
    axes.set_ylabel(f"accuracy on {curve.test_images:,} held-out photos, %")
    axes.set_title(
        f"{short_name(curve.dataset)}: {short_name(curve.backbone)} + {curve.head}\n{band.answer}", loc="left", fontsize=9
    )
    figure.save(path)
