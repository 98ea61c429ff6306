"""An evaluation as one self-contained HTML page: nothing is fetched, light and dark, telephone and paper."""

from __future__ import annotations

from pathlib import Path

from tlcore.audit import AuditReport
from tlcore.display.page_style import STYLE
from tlcore.evaluation import page_classes, page_images, page_parts
from tlcore.evaluation.markup import name, paragraph, section, text
from tlcore.evaluation.pictures import case_pictures
from tlcore.evaluation.plots import svg_plots
from tlcore.evaluation.result import Evaluation
from tlcore.progress import Progress, silent

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Whatever a name might smuggle in, the browser fetches nothing for this page."""


def evaluation_page(
    evaluation: Evaluation, *, command: str = "", audit: AuditReport | None = None, progress: Progress = silent
) -> str:
    """Return the page. Pictures are read again from the dataset's images.

    Args:
        evaluation: what to tell.
        command: that makes the evaluation again, or empty.
        audit: of the dataset, or None.
        progress: told how far it is.
    """
    plots = svg_plots(evaluation)
    shown = dict.fromkeys(case.name for _, listed in page_images.lists(evaluation) for case in listed)
    pictures = case_pictures(evaluation.model, [evaluation.samples[own] for own in shown], progress=progress)
    sections = [
        section("headline", "How good it is", page_parts.headline(evaluation)),
        section("calibration", "How sure it is", page_parts.calibration(evaluation, plots)),
        section("confusion", "What is taken for what", page_classes.confusion(evaluation)),
        section("classes", "Class by class", page_classes.classes(evaluation, plots)),
        section("curves", "One class against the rest", page_parts.curves(evaluation, plots)),
        section("slices", "By what else is known of the images", page_parts.slices(evaluation, plots)),
        *(section(kind, title, body) for kind, title, body in page_images.sections(evaluation, pictures, plots)),
        section("training", "How it was fitted", page_parts.training(plots)),
        section("audit", "The data", page_parts.data(evaluation, audit)),
        section("provenance", "Where it comes from", page_parts.provenance(evaluation)),
        section("again", "Again", page_parts.repeat(command)),
    ]
    title = f"Evaluation of {text(Path(evaluation.model.facts.name).name)} on {text(evaluation.dataset)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{STYLE}{_file('page_style.css')}</style></head>\n<body><main>"
        f"<h1>{name(Path(evaluation.model.facts.name).name)} on {name(evaluation.dataset)}</h1>\n"
        f"{paragraph(_summary(evaluation))}{_notes(evaluation)}{_contents(sections)}\n{''.join(sections)}</main>"
        f"<script>{_file('page.js')}</script></body></html>\n"
    )


def _summary(evaluation: Evaluation) -> str:
    seen = f"; {evaluation.seen:,} more were trained on and are passed over" if evaluation.seen else ""
    unread = f"; {len(evaluation.left_out):,} cannot be used" if evaluation.left_out else ""
    classes = len(evaluation.match.names)
    return (
        f"{evaluation.images:,} images of split {evaluation.split}, {classes:,} classes{seen}{unread}. "
        f"Intervals are of 95 %."
    )


def _notes(evaluation: Evaluation) -> str:
    return "".join(f'<p class="note">{name(note)}</p>' for note in evaluation.notes)


def _contents(sections: list[str]) -> str:
    """Return links to the sections that hold something."""
    links = []
    for part in sections:
        if part:
            identity = part.partition('id="')[2].partition('"')[0]
            title = part.partition("<h2>")[2].partition("</h2>")[0]
            links.append(f'<li><a href="#{identity}">{title}</a></li>')
    return f'<nav class="contents"><ul>{"".join(links)}</ul></nav>'


def _file(own: str) -> str:
    return (Path(__file__).parent / own).read_text(encoding="utf-8")
