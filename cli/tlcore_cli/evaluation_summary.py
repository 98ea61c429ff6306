"""What a person reads after evaluating."""

from __future__ import annotations

from rich.console import Console

from tlcore.evaluation import Evaluation
from tlcore_cli.terminal import notes, results, shown, table, tell_left_out

_SHOWN_CLASSES = 40
_SHOWN_PAIRS = 5
_SHOWN_SLICES = 20


def show_evaluation(evaluation: Evaluation, quiet: bool) -> None:
    """Print the headline numbers, each class's recall, the most confused pairs, and what else is worth knowing."""
    console = results()
    seen = f"; {evaluation.seen} were trained on and are passed over" if evaluation.seen else ""
    console.print(f"{shown(evaluation.dataset)}, split {evaluation.split}: {evaluation.images} images{seen}")
    _headline(console, evaluation)
    _classes(console, evaluation)
    confused = [(pair.true, pair.predicted, pair.count) for pair in evaluation.confused[:_SHOWN_PAIRS]]
    if confused:
        console.print(table("most confused", ("true", "taken for", ">images"), confused))
    _slices(console, evaluation)
    _worth_knowing(console, evaluation)
    side = notes(quiet)
    for note in evaluation.notes:
        side.print(f"[yellow]note:[/yellow] {shown(note)}")
    tell_left_out(evaluation.left_out, quiet)


def _headline(console: Console, evaluation: Evaluation) -> None:
    metrics, quality = evaluation.metrics, evaluation.quality
    console.print(f"accuracy     {metrics.top1}   95 % interval")
    if metrics.top5 is not None:
        console.print(f"top 5        {metrics.top5}")
    console.print(f"balanced     {quality.balanced_accuracy.percent()}\nmacro F1     {quality.macro_f1.percent()}")
    if quality.log_loss is not None:
        console.print(f"log-loss     {quality.log_loss}")
    console.print(f"Brier        {quality.brier}\ncalibration  {quality.calibration_error.percent()} off")
    if evaluation.test_time is not None:
        told = evaluation.test_time
        console.print(
            f"{told.views} views     {told.top1}   {told.won} images won, {told.lost} lost (p = {told.p_value:.2g})"
        )


def _classes(console: Console, evaluation: Evaluation) -> None:
    recall = evaluation.metrics.recall
    worst = sorted(recall.items(), key=lambda item: item[1].value)[:_SHOWN_CLASSES]
    console.print(
        table("", ("class", ">images", ">found [95 % interval]"), [(name, share.total, share) for name, share in worst])
    )
    if len(recall) > _SHOWN_CLASSES:
        console.print(f"and {len(recall) - _SHOWN_CLASSES} classes that do better")


def _slices(console: Console, evaluation: Evaluation) -> None:
    rows = [
        (
            entry.column,
            entry.value,
            entry.top1.total,
            entry.top1,
            f"{entry.p_value:.2g}" if entry.p_value is not None else "",
        )
        for entry in evaluation.slices[:_SHOWN_SLICES]
    ]
    if rows:
        console.print(table("slices", ("column", "value", ">images", ">accuracy", ">p"), rows))
    if len(evaluation.slices) > _SHOWN_SLICES:
        console.print(f"and {len(evaluation.slices) - _SHOWN_SLICES} more slices (--json has them all)")


def _worth_knowing(console: Console, evaluation: Evaluation) -> None:
    errors, novelty = evaluation.label_errors, evaluation.novelty
    if errors.missing:
        console.print(f"labels: not checked, {shown(errors.missing)}")
    else:
        first = ", ".join(case.name for case in errors.suspects[:3])
        console.print(f"labels: {errors.count} of {errors.judged} are probably wrong{shown(f': {first}') if first else ''}")
    if novelty is None:
        console.print(f"unfamiliar images: not measured, {shown(evaluation.novelty_missing)}")
    elif novelty.flagged is None:
        console.print("unfamiliar images: too few training images to choose a threshold")
    else:
        console.print(
            f"unfamiliar images: {novelty.flagged.correct} of {novelty.flagged.total}, "
            f"at {100 * novelty.false_alarm_rate:g} % false alarms"
        )
