"""The page's sections of single images: mistakes, doubts, wrong labels and unfamiliar images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tlcore.evaluation.markup import name, paragraph, plot, text
from tlcore.evaluation.mistakes import Case
from tlcore.evaluation.pictures import CasePicture
from tlcore.evaluation.result import Evaluation

_MOST_DOUBTS = 12
_MOST_SUSPECTS = 24


def lists(evaluation: Evaluation) -> tuple[tuple[str, tuple[Case, ...]], ...]:
    """Return the lists of images that the page shows, by name."""
    return (
        ("losses", evaluation.top_losses),
        ("doubts", evaluation.least_confident[:_MOST_DOUBTS]),
        ("labels", evaluation.label_errors.suspects[:_MOST_SUSPECTS]),
        ("unfamiliar", evaluation.unfamiliar[:_MOST_DOUBTS]),
    )


def sections(
    evaluation: Evaluation, pictures: Mapping[str, CasePicture], plots: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield identity, title and content of each section."""
    listed = dict(lists(evaluation))
    wrong = evaluation.metrics.top1.total - evaluation.metrics.top1.correct
    mapped = any(picture.activation for picture in pictures.values())
    maps = " The second picture is what the network sees; bright is what speaks for its answer." if mapped else ""
    yield (
        "losses",
        "Worst mistakes",
        paragraph(f"Of {wrong:,} wrong answers those whose true class got least probability.{maps}")
        + _grid(listed["losses"], pictures)
        if wrong
        else paragraph("No answer is wrong."),
    )
    yield (
        "doubts",
        "Least sure",
        paragraph("The images whose two likeliest classes are closest.") + _grid(listed["doubts"], pictures),
    )
    yield "labels", "Labels to check", _label_errors(evaluation, listed["labels"], pictures)
    yield "novelty", "Unlike the training images", _novelty(evaluation, listed["unfamiliar"], pictures, plots)


def _label_errors(evaluation: Evaluation, shown: tuple[Case, ...], pictures: Mapping[str, CasePicture]) -> str:
    report = evaluation.label_errors
    if report.missing:
        return paragraph(f"Not looked for: {report.missing}.")
    told = paragraph(
        f"{report.count:,} of {report.judged:,} labels are probably wrong, by heads that did not see the image ",
        f"({report.folds}-fold cross-validation, confident learning). Look before changing one.",
    )
    return told + _grid(shown, pictures)


def _novelty(
    evaluation: Evaluation, shown: tuple[Case, ...], pictures: Mapping[str, CasePicture], plots: Mapping[str, str]
) -> str:
    novelty = evaluation.novelty
    if novelty is None:
        return paragraph(f"Not measured: {evaluation.novelty_missing}.")
    if novelty.flagged is None:
        told = paragraph("Too few images are known to be familiar to choose a threshold for the stated false-alarm rate.")
    else:
        told = paragraph(
            f"{novelty.flagged.correct:,} of {novelty.flagged.total:,} images ({novelty.flagged}) lie further from the ",
            f"training images than the threshold {novelty.threshold:.3f}, which at most ",
            f"{100 * novelty.false_alarm_rate:g} % of familiar images exceed.",
        )
    return f'{told}<div class="plots">{plot(plots["novelty"], "Distance to the training images.")}</div>' + _grid(
        shown, pictures
    )


def _grid(shown: tuple[Case, ...], pictures: Mapping[str, CasePicture]) -> str:
    return f'<div class="cases">{"".join(_case(case, pictures[case.name]) for case in shown)}</div>' if shown else ""


def _case(case: Case, picture: CasePicture) -> str:
    images = "".join(
        f'<img src="{uri}" alt="{text(alt)}">'
        for uri, alt in ((picture.photo, case.name), (picture.activation, f"activation map of {case.name}"))
        if uri
    )
    shown = f'<div class="pair">{images}</div>' if images else '<p class="unseen">cannot be read any more</p>'
    verdict = "right" if case.true == case.predicted else "taken for"
    answer = (
        f"{name(case.true)}, right, {_percent(case.probability)}"
        if verdict == "right"
        else f"{name(case.true)} ({_percent(case.true_probability)}) taken for <b>{name(case.predicted)}</b> "
        f"({_percent(case.probability)})"
    )
    return f'<div class="case">{shown}<p>{answer}</p><p class="file">{name(case.name)}</p></div>'


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"
