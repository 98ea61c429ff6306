"""What a person reads after training."""

from __future__ import annotations

import shlex

from tlcore.training import TrainResult
from tlcore_cli.terminal import notes, results, shown, table, tell_left_out


def show_training(result: TrainResult, quiet: bool) -> None:
    """Print accuracy, counts, what was left out, and what to try next."""
    record = result.bundle.record
    console = results()
    counts = ", ".join(f"{count:,} {split}" for split, count in result.counts.items() if count)
    console.print(f"{len(record.classes)} classes, {counts}; {shown(record.backbone['name'])} + {record.head['name']}")
    rows = [
        (split, metrics.top1.total, metrics.top1, f"{100 * metrics.balanced_accuracy:.1f} %", f"{metrics.log_loss:.3f}")
        for split, metrics in result.metrics.items()
    ]
    if rows:
        console.print(table("", ("split", ">images", ">accuracy [95 % interval]", ">balanced", ">log-loss"), rows))
    measured = "test" if "test" in result.metrics else "training"
    console.print(f"always guessing the largest class: {100 * result.majority:.1f} % of the {measured} images")
    tell_left_out(result.left_out, quiet)
    side = notes(quiet)
    side.print(f"[dim]features by {shown(result.engine)}[/dim]")
    for note in result.notes:
        side.print(f"[yellow]note:[/yellow] {shown(note)}")
    console.print(f"saved to {shown(str(result.bundle.path))} in {result.seconds:.1f} s")
    path = shown(shlex.quote(str(result.bundle.path)))
    side.print(f"[dim]next: tl predict {path} PHOTO...   tl evaluate {path} OTHER-PHOTOS/[/dim]")
