"""The page's sections about numbers, curves, data and provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tlcore.audit import AuditReport
from tlcore.evaluation.intervals import Estimate
from tlcore.evaluation.markup import name, paragraph, plot, table, text
from tlcore.evaluation.result import Evaluation

_MOST_SLICES = 60
_MOST_CURVES = 60
_MOST_LEFT_OUT = 20


def headline(evaluation: Evaluation) -> str:
    """Return the headline numbers, each with its interval and what it means."""
    rows = [
        (f'<span class="big">{text(label)}</span>', f'<span class="big">{text(value)}</span>', text(interval), text(meaning))
        for label, value, interval, meaning in _headline_rows(evaluation)
    ]
    return table(("measure", ">value", ">95 % interval", "what it says"), rows, attributes=' class="headline"')


def _headline_rows(evaluation: Evaluation) -> Iterator[tuple[str, str, str, str]]:
    metrics, quality = evaluation.metrics, evaluation.quality
    yield "accuracy", *_percent(Estimate.of_share(metrics.top1)), f"{metrics.top1.correct:,} of {metrics.top1.total:,} right"
    if metrics.top5 is not None:
        yield "top 5", *_percent(Estimate.of_share(metrics.top5)), "the true class is among the five likeliest"
    yield "balanced accuracy", *_percent(quality.balanced_accuracy), "mean over classes of the share found"
    yield "macro F1", *_percent(quality.macro_f1), "mean over classes of F1"
    yield "micro F1", *_percent(quality.micro_f1), "with one class per image the same as accuracy"
    if quality.log_loss is not None:
        yield "log-loss", *_plain(quality.log_loss), "surprise at the truth; 0 is best"
    yield "Brier score", *_plain(quality.brier), "squared distance from the truth, 0 to 2"
    yield "calibration error", *_percent(quality.calibration_error), "how far confidence is from the share right, on average"
    yield "calibration gap", *_percent(quality.calibration_gap), "mean confidence less accuracy; above 0 is too sure"
    if evaluation.test_time is not None:
        told = evaluation.test_time
        yield (
            f"accuracy, {told.views} views",
            *_percent(Estimate.of_share(told.top1)),
            f"{told.won} images won and {told.lost} lost by averaging views (McNemar p = {told.p_value:.2g})",
        )


def _percent(estimate: Estimate) -> tuple[str, str]:
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.1f} %", "too few images"
    return f"{100 * estimate.value:.1f} %", f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def _plain(estimate: Estimate) -> tuple[str, str]:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}", "too few images"
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"


def calibration(evaluation: Evaluation, plots: Mapping[str, str]) -> str:
    """Return the reliability diagram and what abstaining gains."""
    curve = evaluation.abstention
    rows = [(f"{point.threshold:.3f}", f"{100 * point.coverage:.1f} %", text(point.right)) for point in curve.points]
    return (
        '<div class="plots">'
        + plot(plots["reliability"], "Reliability: where the line runs below the diagonal, the model is too sure of itself.")
        + plot(plots["abstention"], "Abstaining: how many answers are wrong if only the surest are given.")
        + "</div><h3>Answering only where it is sure</h3>"
        + table((">answer from confidence", ">images answered", ">answers right"), rows)
        + paragraph(
            f"Area under the risk-coverage curve {curve.area:.4f}; the best order of these answers gives ",
            f"{curve.best_area:.4f}.",
        )
    )


def curves(evaluation: Evaluation, plots: Mapping[str, str]) -> str:
    """Return ROC and precision-recall curves, or why there are none."""
    found = evaluation.curves
    if not found.classes:
        return paragraph(f"Not measured: {found.missing}.")
    worst = sorted(found.classes, key=lambda curve: curve.area.value)[:_MOST_CURVES]
    rows = [(name(curve.name), str(curve.area), str(curve.average_precision)) for curve in worst]
    return (
        paragraph(
            f"Mean area under the ROC curve {found.macro_area}, ",
            f"mean average precision {found.macro_average_precision}.",
        )
        + '<div class="plots">'
        + plot(plots.get("roc", ""), "ROC, each class against the rest; of many classes those with the smallest area.")
        + plot(plots.get("precision-recall", ""), "Precision and recall, each class against the rest.")
        + "</div>"
        + (table(("class", ">area under ROC", ">average precision"), rows) if len(rows) > 1 else "")
    )


def slices(evaluation: Evaluation, plots: Mapping[str, str]) -> str:
    """Return the accuracy of each slice; empty where there are none."""
    if not evaluation.slices:
        return ""
    rows = [
        (
            name(entry.column),
            name(entry.value),
            f"{entry.top1.total:,}",
            text(entry.top1),
            f"{100 * entry.rest.value:.1f} %" if entry.rest.total else "",
            f"{entry.p_value:.2g}" if entry.p_value is not None else "",
        )
        for entry in evaluation.slices[:_MOST_SLICES]
    ]
    hidden = len(evaluation.slices) - len(rows)
    return (
        f'<div class="plots">{plot(plots["slices"], "Accuracy of each slice.")}</div>'
        + table(("column", "value", ">images", ">accuracy", ">of all others", ">p"), rows)
        + paragraph("p: exact test that a slice does as well as all others, corrected for the number of slices.")
        + (paragraph(f"and {hidden:,} more slices, in the JSON") if hidden else "")
    )


def training(plots: Mapping[str, str]) -> str:
    """Return the training curve; empty where nothing was recorded."""
    return f'<div class="plots">{plot(plots["training"], "What fitting recorded.")}</div>' if "training" in plots else ""


def data(evaluation: Evaluation, audit: AuditReport | None) -> str:
    """Return what an audit of the data found, and what was left out."""
    parts = []
    if audit is not None:
        verdict = f"{len(audit.problems)} kinds of problem, {len(audit.findings) - len(audit.problems)} of notice"
        parts.append(paragraph(f"The audit looked at {audit.images:,} images of all splits: {verdict}."))
        parts += [
            f'<p class="{finding.severity}"><span class="kind">{finding.severity}</span> {name(finding.summary)}</p>'
            for finding in audit.findings
        ]
    if evaluation.left_out:
        reasons = "".join(f"<li>{name(entry.reason)}</li>" for entry in evaluation.left_out[:_MOST_LEFT_OUT])
        hidden = len(evaluation.left_out) - _MOST_LEFT_OUT
        more = paragraph(f"and {hidden:,} more, in the JSON") if hidden > 0 else ""
        parts.append(f"<h3>Left out: {len(evaluation.left_out):,}</h3><ul>{reasons}</ul>{more}")
    return "".join(parts)


def provenance(evaluation: Evaluation) -> str:
    """Return where the model and the numbers come from."""
    rows = [(text(label), name(str(value))) for label, value in _facts(evaluation) if value not in ("", None)]
    return table(("", ""), rows)


def _facts(evaluation: Evaluation) -> Iterator[tuple[str, Any]]:
    facts = evaluation.model.facts
    record: Mapping[str, Any] = facts.provenance
    backbone, head, learnt = (_mapping(record.get(kind)) for kind in ("backbone", "head", "dataset"))
    yield "model", f"{facts.name} ({facts.kind})"
    yield "backbone", backbone.get("name")
    yield "weights", backbone.get("weights_digest")
    yield "licence of the weights", backbone.get("licence")
    yield "head", head.get("name")
    yield "learnt from", learnt.get("name")
    yield "images learnt from", ", ".join(f"{count} {split}" for split, count in _mapping(learnt.get("counts")).items())
    yield "digest of that data", learnt.get("digest")
    yield "seed of training", record.get("seed")
    yield "temperature", f"{facts.temperature:.4g}"
    yield "input", f"{facts.preprocess.image_size[1]} x {facts.preprocess.image_size[0]} pixels"
    yield "measured on", f"{evaluation.dataset}, split {evaluation.split}"
    yield "seed of intervals and folds", evaluation.settings["seed"]
    yield "versions", ", ".join(f"{package} {own}" for package, own in _mapping(record.get("versions")).items())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def repeat(command: str) -> str:
    """Return the command that measures again; empty where none is known."""
    return f"<pre>{text(command)}</pre>" if command else ""
