"""A figure of measured accuracies, with their intervals, over something that doubles and doubles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tlcore.display.figure_file import save_figure


class AccuracyFigure:
    """A figure whose horizontal axis is logarithmic with plain numbers, its vertical one accuracy in percent.

    Args:
        height: in inches, of 7.5 inches of width.
    """

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(7.5, height), dpi=150, layout="constrained")
        self.axes = self.figure.subplots()

    def points(
        self, places: Sequence[float], accuracies: Float64[np.ndarray, "points 3"], *, color: str, label: str
    ) -> None:
        """Draw points with their bars.

        Args:
            places: on the horizontal axis.
            accuracies: lower end of the bar, accuracy and upper end, in [0, 1].
            color: of matplotlib.
            label: in the legend.
        """
        percent = 100 * accuracies
        bars = np.abs(percent[:, [0, 2]] - percent[:, [1]]).T
        self.axes.errorbar(
            places, percent[:, 1], yerr=bars, fmt="o", markersize=5, capsize=2, linewidth=1, color=color, label=label
        )

    def save(self, path: Path) -> None:
        """Write the figure as PNG, at once or not at all; raises `TlcoreError` where that cannot be."""
        self.axes.set_xscale("log")
        self.axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        self.axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        self.axes.xaxis.set_minor_formatter(NullFormatter())
        self.axes.grid(alpha=0.25)
        self.axes.legend(fontsize=8, frameon=False, loc="lower right")
        save_figure(self.figure, path)


def short_name(reference: str) -> str:
    """Return the last part of a backbone's name, or of a path.

    >>> short_name("local-dir:weights/mobilenetv2_100/"), short_name("timm/resnet18.a1_in1k")
    ('mobilenetv2_100', 'resnet18.a1_in1k')
    """
    return reference.rstrip("/\\").replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
