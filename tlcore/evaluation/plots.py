"""The pictures of an evaluation: as PNG files on white, and as SVG that takes the colours of the page it stands on."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlcore.errors import TlcoreError
from tlcore.evaluation import drawings
from tlcore.evaluation.drawings import INK, LINE, ONE, SOFT, TWO
from tlcore.evaluation.result import Evaluation
from tlcore.evaluation.training_curve import training_curve
from tlcore.machine.atomic import write_file
from tlcore.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ONE: "var(--one)", TWO: "var(--two)"}
"""The drawings' colours, and what the pages' style calls them."""


def write_plots(evaluation: Evaluation, directory: Path, *, progress: Progress = silent) -> tuple[Path, ...]:
    """Write each picture of an evaluation as a PNG file, and return their paths.

    Args:
        evaluation: what to picture.
        directory: where to; made where it is not there, and other files in it are left alone.
        progress: told how far it is.

    Raises:
        TlcoreError: the directory cannot be written.
    """
    drawn = []
    plots = _plots(evaluation)
    for done, (name, draw) in enumerate(plots.items()):
        progress(ProgressEvent("plots", done, len(plots)))
        with _style():
            encoded = io.BytesIO()
            draw().savefig(encoded, format="png", dpi=150, facecolor="white")
        path = directory / f"{name}.png"
        try:
            write_file(path, encoded.getvalue())
        except OSError as error:
            raise TlcoreError(f"{path}: the plot cannot be written: {error.strerror or error}") from error
        drawn.append(path)
    progress(ProgressEvent("plots", len(plots), len(plots)))
    return tuple(drawn)


def svg_plots(evaluation: Evaluation) -> dict[str, str]:
    """Return each picture's name and its SVG element, in colours of the page's style."""
    found = {}
    for name, draw in _plots(evaluation).items():
        with _style(name):
            written = io.StringIO()
            draw().savefig(written, format="svg", transparent=True, metadata={"Date": None})
        found[name] = _inline(written.getvalue())
    return found


def _plots(evaluation: Evaluation) -> Mapping[str, Callable[[], Figure]]:
    """Return name to drawing of all pictures that the evaluation has something for."""
    plots: dict[str, Callable[[], Figure]] = {"reliability": lambda: drawings.draw_reliability(evaluation)}
    plots["abstention"] = lambda: drawings.draw_abstention(evaluation)
    if evaluation.curves.classes:
        plots["roc"] = lambda: drawings.draw_roc(evaluation)
        plots["precision-recall"] = lambda: drawings.draw_precision_recall(evaluation)
    plots["classes"] = lambda: drawings.draw_classes(evaluation)
    plots["confusion"] = lambda: drawings.draw_confusion(evaluation)
    if evaluation.novelty is not None:
        plots["novelty"] = lambda: drawings.draw_novelty(evaluation)
    if evaluation.slices:
        plots["slices"] = lambda: drawings.draw_slices(evaluation)
    if training_curve(evaluation.model.facts.provenance) is not None:
        plots["training"] = lambda: drawings.draw_training(evaluation)
    return plots


@contextmanager
def _style(salt: str = "tlcore") -> Iterator[None]:
    import matplotlib

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "axes.edgecolor": LINE,
        "axes.labelcolor": SOFT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "figure.constrained_layout.use": True,
    }
    with matplotlib.rc_context(settings):
        yield


def _inline(document: str) -> str:
    """Return the SVG element alone, sized by its page, its colours the page's."""
    element = document[document.index("<svg") :]
    element = re.sub(r'<svg[^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" role="img">', element, count=1)
    element = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", element, flags=re.S)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    return re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", element).strip()
