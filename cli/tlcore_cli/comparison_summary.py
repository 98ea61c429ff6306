"""What a person reads after comparing."""

from __future__ import annotations

from tlcore.comparison import Compared, Comparison
from tlcore_cli.terminal import notes, results, shown, table, tell_left_out

_COLUMNS = ("backbone", "head", ">accuracy [95 % interval]", ">p", ">images/s", ">ms", ">MB", ">MMACs")


def show_comparison(comparison: Comparison, quiet: bool) -> None:
    """Print the table, the recommendation, and what was left out."""
    console = results()
    judged = comparison.rows[0].images
    console.print(
        f"{shown(comparison.dataset)}: {judged:,} images, {comparison.classes} classes, "
        f"{comparison.folds}-fold cross-validation"
    )
    partial = any(row.share < 1 for row in comparison.rows)
    far = any(row.distance is not None for row in comparison.rows)
    columns = [*_COLUMNS, *([">of the images"] if partial else []), *([">distance", ">farther"] if far else [])]
    console.print(table("", columns, [_cells(row, partial, far) for row in comparison.rows]))
    console.print("[dim]p: exact McNemar test against the first row on the same images; below 0.05 it is worse[/dim]")
    if far:
        console.print(
            "[dim]distance: times as far from the reference photos as those are from each other; "
            "farther: share of them that a photo lies beyond (50 %: none)[/dim]"
        )
    if comparison.recommended is not None:
        row = comparison.rows[comparison.recommended]
        console.print(
            f"recommended: [bold]{shown(row.backbone)} + {shown(row.head)}[/bold], {shown(str(row.accuracy))}, "
            f"{row.cost.milliseconds:.1f} ms: the quickest not clearly worse than the best{shown(_allowed(comparison))}"
        )
    tell_left_out(comparison.left_out, quiet)
    side = notes(quiet)
    for note in comparison.notes:
        side.print(f"[yellow]note:[/yellow] {shown(note)}")
    side.print(f"[dim]compared in {comparison.seconds:.1f} s[/dim]")


def _allowed(comparison: Comparison) -> str:
    """Tell what the limits kept from being recommended, if anything."""
    best = comparison.rows[0]
    if comparison.limits.allow(best.cost):
        return ""
    return f" within the limits; without them {best.backbone} + {best.head} is the best"


def _cells(row: Compared, partial: bool, far: bool) -> list[str]:
    macs = f"{row.cost.macs / 1e6:,.0f}" if row.cost.macs is not None else "-"
    cells = [
        row.backbone,
        row.head,
        str(row.accuracy),
        f"{row.against_best.p_value:.2g}" if row.against_best is not None else "",
        f"{row.cost.images_per_second:.0f}",
        f"{row.cost.milliseconds:.1f}",
        f"{row.cost.megabytes:.1f}",
        macs,
    ]
    if partial:
        cells.append(f"{100 * row.share:.0f} %")
    if far:
        cells += [f"{row.distance.ratio:.2f}", f"{100 * row.distance.farther:.0f} %"] if row.distance else ["-", "-"]
    return cells
