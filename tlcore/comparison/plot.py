"""Accuracy against time as a picture: which candidates nobody beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tlcore.comparison.result import Compared, Comparison
from tlcore.display.accuracy_figure import AccuracyFigure, short_name

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, told apart by everybody; one for each head."""


def pareto_front(rows: Sequence[Compared]) -> tuple[int, ...]:
    """Return the positions of rows that none beats on both accuracy and time, from the quickest on."""
    front: list[int] = []
    best = -1.0
    for index in sorted(range(len(rows)), key=lambda index: (rows[index].cost.milliseconds, -rows[index].accuracy.value)):
        if rows[index].accuracy.value > best:
            best = rows[index].accuracy.value
            front.append(index)
    return tuple(front)


def save_pareto_plot(comparison: Comparison, path: Path) -> None:
    """Draw the candidates that were judged on most images, and write the picture as PNG, at once or not at all."""
    rows = [row for row in comparison.rows if row.share == comparison.rows[0].share]
    figure = AccuracyFigure(height=5.0)
    axes = figure.axes
    front = pareto_front(rows)
    axes.step(
        [rows[index].cost.milliseconds for index in front],
        [100 * rows[index].accuracy.value for index in front],
        where="post",
        color="#9aa4ae",
        linewidth=1.2,
        zorder=1,
        label="beaten by none on both",
    )
    heads = sorted({row.head for row in rows})
    for place, head in enumerate(heads):
        apart = 1.012 ** (place - (len(heads) - 1) / 2)
        own = [row for row in rows if row.head == head]
        figure.points(
            [apart * row.cost.milliseconds for row in own],
            np.array([[row.accuracy.low, row.accuracy.value, row.accuracy.high] for row in own]),
            color=COLOURS[place % len(COLOURS)],
            label=head,
        )
    _name_backbones(axes, rows)
    if comparison.recommended is not None:
        chosen = comparison.rows[comparison.recommended]
        axes.plot(
            chosen.cost.milliseconds,
            100 * chosen.accuracy.value,
            "o",
            markersize=14,
            fillstyle="none",
            color="black",
            label="recommended",
        )
    axes.margins(x=0.25)
    axes.set_xlabel("one image through the network on this machine, ms")
    axes.set_ylabel(f"accuracy by {comparison.folds}-fold cross-validation, %")
    axes.set_title(
        f"{short_name(comparison.dataset)}: {rows[0].images:,} images, {comparison.classes} classes", loc="left", fontsize=11
    )
    figure.save(path)


def _name_backbones(axes: Axes, rows: Sequence[Compared]) -> None:
    """Write each backbone's name once, beside its best head."""
    named: set[str] = set()
    for row in sorted(rows, key=lambda row: -row.accuracy.value):
        if row.backbone in named:
            continue
        named.add(row.backbone)
        axes.annotate(
            short_name(row.backbone),
            (row.cost.milliseconds, 100 * row.accuracy.value),
            xytext=(7, 5),
            textcoords="offset points",
            fontsize=8,
        )
