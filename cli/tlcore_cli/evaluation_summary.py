"""What a person reads after evaluating."""

from __future__ import annotations

from rich.markup import escape

from tlcore.evaluation import Evaluation
from tlcore.metrics import Metrics
from tlcore_cli.terminal import results, table, tell_left_out

_SHOWN_CLASSES = 40


def show_evaluation(evaluation: Evaluation, quiet: bool) -> None:
    """Print the headline numbers, each class's recall, and the most confused pairs."""
    metrics = evaluation.metrics
    console = results()
    seen = f"; {evaluation.seen} were trained on and are passed over" if evaluation.seen else ""
    console.print(f"{escape(evaluation.dataset)}, split {evaluation.split}: {evaluation.images} images{seen}")
    console.print(f"accuracy   {metrics.top1}   95 % interval")
    if metrics.top5 is not None:
        console.print(f"top 5      {metrics.top5}")
    console.print(f"balanced   {100 * metrics.balanced_accuracy:.1f} %\nlog-loss   {metrics.log_loss:.3f}")
    worst = sorted(metrics.recall.items(), key=lambda item: item[1].value)[:_SHOWN_CLASSES]
    console.print(
        table("", ("class", ">images", ">found [95 % interval]"), [(name, share.total, share) for name, share in worst])
    )
    if len(metrics.recall) > _SHOWN_CLASSES:
        console.print(f"and {len(metrics.recall) - _SHOWN_CLASSES} classes that do better")
    confused = _most_confused(metrics)
    if confused:
        console.print(table("most confused", ("true", "taken for", ">images"), confused))
    tell_left_out(evaluation.left_out, quiet)


def _most_confused(metrics: Metrics, most: int = 5) -> list[tuple[str, str, int]]:
    names = metrics.class_names
    pairs = [
        (names[true], names[predicted], count)
        for true, row in enumerate(metrics.confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:most]
