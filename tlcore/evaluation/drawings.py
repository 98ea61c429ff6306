"""Each picture of an evaluation, drawn by matplotlib; `tlcore.evaluation.plots` gives them their style and writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.evaluation.result import Evaluation
from tlcore.evaluation.training_curve import training_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, ONE, TWO = "#1c1f23", "#5b6470", "#d9dee4", "#0072b2", "#b85c00"
"""Colours of the plots: blue and orange of Okabe and Ito 2008, the orange darkened for white paper."""

_MOST_CLASSES = 40
_COLUMN_WIDTH = 5.2


def _figure(height: float = 3.4, width: float = _COLUMN_WIDTH) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def draw_reliability(evaluation: Evaluation) -> Figure:
    """Draw the share right against confidence, and how many images have which."""
    figure, axes = _figure()
    bins = evaluation.reliability
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="perfectly calibrated")
    x = [entry.confidence for entry in bins]
    y = [entry.right.value for entry in bins]
    below = [entry.right.value - entry.right.low for entry in bins]
    above = [entry.right.high - entry.right.value for entry in bins]
    axes.errorbar(x, y, yerr=np.maximum([below, above], 0), color=ONE, marker="o", markersize=4, linewidth=1.2,
                  elinewidth=1, label="this model, 95 % interval")  # fmt: skip
    share = np.array([entry.right.total for entry in bins]) / evaluation.images
    axes.bar([(entry.low + entry.high) / 2 for entry in bins], share, width=1 / 16, color=TWO, alpha=0.35,
             label="share of the images")  # fmt: skip
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.01), ylim=(0, 1.03))
    axes.legend(loc="upper left")
    return figure


def draw_abstention(evaluation: Evaluation) -> Figure:
    """Draw the risk-coverage curve."""
    figure, axes = _figure()
    curve = evaluation.abstention
    axes.plot(100 * curve.coverage, 100 * curve.risk, color=ONE, linewidth=1.6)
    axes.set(xlabel="images answered, %", ylabel="answers wrong, %", xlim=(0, 101))
    top = max(1.0, 110 * float(curve.risk.max()))
    axes.set_ylim(bottom=-top / 60, top=top)
    return figure


def draw_roc(evaluation: Evaluation) -> Figure:
    """Draw the ROC curves that were kept."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    kept = [(curve.name, curve.area.value, curve.roc) for curve in evaluation.curves.classes if curve.roc is not None]
    for index, (name, area, (false_positive, true_positive)) in enumerate(kept):
        axes.plot(false_positive, true_positive, label=f"{_short(name)}  {area:.3f}", **_line(index))
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    axes.legend(loc="lower right", title="area", title_fontsize=8, ncols=1 + (len(kept) > 6))
    return figure


def draw_precision_recall(evaluation: Evaluation) -> Figure:
    """Draw the precision-recall curves that were kept."""
    figure, axes = _figure()
    curves = evaluation.curves.classes
    kept = [
        (curve.name, curve.average_precision.value, curve.precision_recall) for curve in curves if curve.precision_recall
    ]
    for index, (name, average, (recall, precision)) in enumerate(kept):
        axes.step(recall, precision, where="pre", label=f"{_short(name)}  {average:.3f}", **_line(index))
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    axes.legend(loc="lower left", title="average precision", title_fontsize=8, ncols=1 + (len(kept) > 6))
    return figure


def _line(index: int) -> dict[str, Any]:
    """Return colour and dashes that tell the curves apart, without colour too."""
    return {"color": (ONE, TWO, SOFT)[index % 3], "linestyle": ("-", "--", ":", "-.")[index // 3 % 4], "linewidth": 1.4}


def draw_classes(evaluation: Evaluation) -> Figure:
    """Draw recall and precision of the classes found worst."""
    present = [entry for entry in evaluation.quality.classes if entry.recall is not None]
    worst = sorted(present, key=lambda entry: entry.recall.value if entry.recall else 0.0)[:_MOST_CLASSES][::-1]
    figure, axes = _figure(height=1.1 + 0.2 * len(worst))
    for row, entry in enumerate(worst):
        assert entry.recall is not None
        axes.plot([100 * entry.recall.low, 100 * entry.recall.high], [row, row], color=ONE, linewidth=1.4)
        axes.plot([100 * entry.recall.value], [row], color=ONE, marker="o", markersize=5)
        if entry.precision is not None:
            axes.plot([100 * entry.precision.value], [row], color=TWO, marker="D", markersize=4)
    axes.plot([], [], color=ONE, marker="o", markersize=5, label="recall, 95 % interval")
    axes.plot([], [], color=TWO, marker="D", markersize=4, linewidth=0, label="precision")
    axes.set_yticks(range(len(worst)), [_short(entry.name) for entry in worst])
    axes.set(xlabel="%", xlim=(-1, 101), ylim=(-0.6, len(worst) - 0.4))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure


def draw_confusion(evaluation: Evaluation) -> Figure:
    """Draw shares of each true class, row by row; of many classes those most confused."""
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.array(evaluation.metrics.confusion)
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-errors, kind="stable")[:_MOST_CLASSES])
    names = [_short(evaluation.metrics.class_names[index]) for index in shown]
    rows = counts[shown].sum(axis=1, keepdims=True)
    shares = counts[np.ix_(shown, shown)] / np.maximum(rows, 1)
    side = 1.6 + 0.2 * max(len(names), 6)
    figure, axes = _figure(height=side, width=side + 0.8)
    colours = LinearSegmentedColormap.from_list("share", ["#ffffff", "#9ecae1", "#0072b2", "#08306b"])
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="taken for", ylabel="true class")
    axes.grid(visible=False)
    if len(names) <= 15:
        for row, column in np.argwhere(counts[np.ix_(shown, shown)] > 0):
            ink = "#ffffff" if shares[row, column] > 0.5 else "#1c1f24"
            axes.text(column, row, str(counts[shown[row], shown[column]]), ha="center", va="center", color=ink, fontsize=8)
    if len(counts) > len(names):
        axes.set_title(f"the {len(names)} classes confused most, of {len(counts):,}", fontsize=9)
    return figure


def draw_novelty(evaluation: Evaluation) -> Figure:
    """Draw the distances to the training images, and the threshold."""
    figure, axes = _figure()
    novelty = evaluation.novelty
    assert novelty is not None
    top = float(max(novelty.scores.max(), novelty.familiar.max()))
    edges = np.linspace(0, max(top, 1e-6), 41).tolist()
    label = "held-out images" if novelty.held_out else "training images, each left out"
    for scores, colour, name in ((novelty.familiar, SOFT, label), (novelty.scores, ONE, "measured images")):
        axes.hist(scores, edges, weights=np.full(len(scores), 100 / len(scores)), color=colour, alpha=0.5, label=name)
    if novelty.threshold is not None:
        told = f"threshold, {100 * novelty.false_alarm_rate:g} % false alarms"
        axes.axvline(novelty.threshold, color=TWO, linewidth=1.5, linestyle="--", label=told)
    axes.set(xlabel=f"distance to training image {novelty.neighbours}", ylabel="% of images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def draw_slices(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of each slice."""
    shown = evaluation.slices[:_MOST_CLASSES][::-1]
    figure, axes = _figure(height=1.1 + 0.24 * len(shown))
    for row, entry in enumerate(shown):
        axes.plot([100 * entry.top1.low, 100 * entry.top1.high], [row, row], color=ONE, linewidth=1.4)
        axes.plot([100 * entry.top1.value], [row], color=ONE, marker="o", markersize=5)
    axes.axvline(100 * evaluation.metrics.top1.value, color=TWO, linewidth=1.2, linestyle="--", label="all images")
    axes.set_yticks(range(len(shown)), [_short(f"{entry.column} {entry.value}", 34) for entry in shown])
    axes.set(xlabel="accuracy, % with 95 % interval", xlim=(-1, 101), ylim=(-0.6, len(shown) - 0.4))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def draw_training(evaluation: Evaluation) -> Figure:
    """Draw what fitting recorded."""
    curve = training_curve(evaluation.model.facts.provenance)
    assert curve is not None
    figure, axes = _figure()
    for index, (name, x, y) in enumerate(curve.lines):
        axes.plot(x, y, marker="o", markersize=3, label=name, **_line(index))
    if curve.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if curve.chosen is not None:
        axes.axvline(curve.chosen, color=TWO, linewidth=1.2, linestyle="--", label="chosen")
    axes.set(xlabel=curve.x_label, ylabel=curve.y_label)
    axes.legend(loc="best")
    return figure


def _short(name: str, most: int = 26) -> str:
    """Return a name as the plots' font can draw it, cut where it is long."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    known = FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap()
    drawn = "".join(letter if ord(letter) in known and letter.isprintable() else "\N{WHITE SQUARE}" for letter in name)
    return drawn if len(drawn) <= most else f"{drawn[: most - 1]}…"
