"""What a person reads after drawing a learning curve."""

from __future__ import annotations

from tlcore.learning_curve import LearningCurve
from tlcore_cli.terminal import notes, results, shown, table, tell_left_out


def show_learning_curve(curve: LearningCurve, quiet: bool) -> None:
    """Print what was measured, what is foretold, and the answer."""
    console = results()
    console.print(
        f"{shown(curve.dataset)}: {curve.classes} classes, measured on {curve.test_images:,} held-out images; "
        f"{shown(curve.backbone)} + {shown(curve.head)}"
    )
    rows = [
        (
            f"{point.per_class:.1f}",
            f"{point.images:,}",
            f"{100 * point.accuracy:.1f} %",
            f"{100 * point.lowest:.1f} to {100 * point.highest:.1f}",
        )
        for point in curve.points
    ]
    rows += [
        (
            f"{forecast.per_class:.1f}",
            "foretold",
            f"{100 * forecast.accuracy:.1f} %",
            f"{100 * forecast.low:.1f} to {100 * forecast.high:.1f} (95 %)",
        )
        for forecast in curve.extrapolation.forecasts
    ]
    console.print(table("", (">images per class", ">images", ">accuracy", "range of the draws"), rows))
    console.print(f"with all of them: {shown(str(curve.accuracy))}")
    law = curve.extrapolation.law
    console.print(f"law: error = {law.floor:.3f} + {law.scale:.3f} / images^{law.exponent:.2f}")
    console.print(f"would more photos help? {shown(curve.extrapolation.answer)}")
    tell_left_out(curve.left_out, quiet)
    side = notes(quiet)
    for note in curve.notes:
        side.print(f"[yellow]note:[/yellow] {shown(note)}")
    side.print(f"[dim]drawn in {curve.seconds:.1f} s; the law says how much more of the same photos would bring[/dim]")
