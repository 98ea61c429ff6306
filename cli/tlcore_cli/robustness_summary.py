"""What ``tl robustness`` prints."""

from __future__ import annotations

from pathlib import Path

from tlcore.epsilon import in_levels
from tlcore.robustness import Robustness
from tlcore_cli.terminal import notes, results, table, tell_left_out

_ENDED = {
    "time": "time was up: {images} of {planned} images measured",
    "interrupted": "interrupted: {images} of {planned} images measured",
}


def show_robustness(measured: Robustness, directory: Path, quiet: bool) -> None:
    """Print the accuracy without an attack and under each, with its interval."""
    console = results()
    seen = f"; {measured.seen} were trained on and are passed over" if measured.seen else ""
    console.print(f"{measured.dataset}, split {measured.split}: {measured.images} images{seen}", markup=False)
    if measured.ended:
        told = _ENDED[measured.ended].format(images=measured.images, planned=measured.planned)
        console.print(told, style="yellow", markup=False)
    epsilons = list(dict.fromkeys(point.epsilon for point in measured.points))
    rows = [("no attack", "", str(measured.clean))]
    for point in measured.points:
        first = point.attack if point.epsilon == epsilons[0] else ""
        told = in_levels(point.epsilon) if measured.norm == "linf" else f"{point.epsilon:g}"
        rows.append((first, told, str(point.accuracy)))
    console.print(table("", ("attack", f">epsilon ({measured.norm})", "named rightly [95 % interval]"), rows))
    tell_left_out(measured.left_out, quiet)
    notes(quiet).print(f"saved to {directory} in {measured.seconds:.1f} s: robustness.png, robustness.json", markup=False)
