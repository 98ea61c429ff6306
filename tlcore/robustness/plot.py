"""Robustness as a picture: accuracy against epsilon, with its intervals."""

from __future__ import annotations

import io

from tlcore.epsilon import LEVELS
from tlcore.robustness.result import WORST, Robustness

_DOTS_AN_INCH = 120


def plot_robustness(measured: Robustness) -> bytes:
    """Return the curves of every attack as a PNG file; each begins at the accuracy without an attack."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    scale = LEVELS if measured.norm == "linf" else 1
    attacks = list(dict.fromkeys(point.attack for point in measured.points))
    for place, attack in enumerate(attacks):
        if attack == WORST and len(attacks) == 2:
            continue
        points = [point for point in measured.points if point.attack == attack]
        shares = [measured.clean, *(point.accuracy for point in points)]
        # Curves that coincide are set beside each other by a hair, so that each interval can be read.
        aside = 0.006 * place * scale * points[-1].epsilon
        epsilons = [scale * epsilon + aside for epsilon in (0.0, *(point.epsilon for point in points))]
        below = [100 * (share.value - share.low) for share in shares]
        above = [100 * (share.high - share.value) for share in shares]
        values = [100 * share.value for share in shares]
        axes.errorbar(
            epsilons,
            values,
            yerr=[below, above],
            marker="o",
            markersize=4,
            capsize=3,
            label=attack,
            color="black" if attack == WORST else None,
            linestyle="--" if attack == WORST else "-",
        )
    axes.set_ylim(-3, 103)
    axes.set_xlabel(
        "epsilon, in levels of 255 (Linf)" if measured.norm == "linf" else "epsilon (L2, pixel values in [0, 1])"
    )
    axes.set_ylabel("named rightly, %, with 95 % interval")
    axes.set_title(f"{measured.images} images of {measured.dataset}", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc="upper right")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_AN_INCH)
    return drawn.getvalue()
