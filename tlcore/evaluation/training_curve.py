"""How the model came about: the sweep over regularisation of a linear head, or the epochs of a fine-tuned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = tuple[str, tuple[float, ...], tuple[float, ...]]
"""Name, x and y of one line."""


@dataclass(frozen=True, kw_only=True)
class TrainingCurve:
    """What fitting recorded, to be drawn.

    Attributes:
        lines: name, x and y of each.
        x_label, y_label: of the axes.
        logarithmic: whether x is drawn so.
        chosen: the x that was chosen, or None.
    """

    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    logarithmic: bool
    chosen: float | None


def training_curve(provenance: Mapping[str, Any]) -> TrainingCurve | None:
    """Return what a model's record says of its fitting; None where it says nothing that can be drawn.

    Args:
        provenance: of a bundle or an exported file. Its head may have ``validation_log_loss`` (regularisation to log-loss)
            or ``finetune`` with a ``history`` (numbers after each epoch); anything else is no curve.

    Examples:
        >>> curve = training_curve({"head": {"regularisation": 0.1, "validation_log_loss": {"0.1": 0.2, "1": 0.4}}})
        >>> curve.lines
        (('validation log-loss', (0.1, 1.0), (0.2, 0.4)),)
    """
    head = provenance.get("head")
    if not isinstance(head, Mapping):
        return None
    return _epochs(head) or _sweep(head)


def _sweep(head: Mapping[str, Any]) -> TrainingCurve | None:
    losses = head.get("validation_log_loss")
    if not isinstance(losses, Mapping) or not losses:
        return None
    try:
        points = sorted((float(strength), float(loss)) for strength, loss in losses.items())
        chosen = float(head["regularisation"]) if "regularisation" in head else None
    except (TypeError, ValueError):
        return None
    if points[0][0] <= 0:
        return None
    return TrainingCurve(
        lines=(("validation log-loss", *_axes(points)),),
        x_label="C, weaker regularisation to the right",
        y_label="log-loss",
        logarithmic=True,
        chosen=chosen,
    )


def _epochs(head: Mapping[str, Any]) -> TrainingCurve | None:
    tuning = head.get("finetune")
    history = tuning.get("history") if isinstance(tuning, Mapping) else None
    if not isinstance(history, Sequence) or isinstance(history, str) or not history:
        return None
    if not all(isinstance(entry, Mapping) for entry in history):
        return None
    lines = []
    for name in ("train_loss", "validation_log_loss", "validation_accuracy"):
        points = [
            (float(entry.get("epoch", number)), float(entry[name]))
            for number, entry in enumerate(history, 1)
            if isinstance(entry.get(name), (int, float))
        ]
        if points:
            lines.append((name.replace("_", " "), *_axes(points)))
    if not lines:
        return None
    best = tuning.get("best_epoch") if isinstance(tuning, Mapping) else None
    chosen = float(best) if isinstance(best, (int, float)) else None
    return TrainingCurve(
        lines=tuple(lines), x_label="epoch", y_label="on the validation images", logarithmic=False, chosen=chosen
    )


def _axes(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(x for x, _ in points), tuple(y for _, y in points)
