"""The page's sections about classes: the confusion matrix, and each class by itself."""

from __future__ import annotations

from collections.abc import Mapping

from tlcore.evaluation.confusion import confused_cells
from tlcore.evaluation.markup import Cell, name, paragraph, plot, script_json, table, text
from tlcore.evaluation.quality import ClassQuality
from tlcore.evaluation.result import Evaluation
from tlcore.metrics import Share

MATRIX_CLASSES = 40
"""Up to so many classes the whole matrix is shown; of more, one class at a time, and the pairs confused most."""

_MOST_PAIRS = 25
_MOST_CELLS = 100_000


def confusion(evaluation: Evaluation) -> str:
    """Return the confusion matrix, or a way to look into it, and the most confused pairs."""
    shown = _matrix(evaluation) if len(evaluation.match.names) <= MATRIX_CLASSES else _explorer(evaluation)
    pairs = evaluation.confused[:_MOST_PAIRS]
    if not pairs:
        return shown + paragraph("No image is taken for another class.")
    rows = [(name(pair.true), name(pair.predicted), f"{pair.count:,}", f"{100 * pair.share:.1f} %") for pair in pairs]
    return f"{shown}<h3>Most confused</h3>" + table(("true", "taken for", ">images", ">of the class"), rows)


def _matrix(evaluation: Evaluation) -> str:
    names = evaluation.match.names
    cells = {(true, predicted): count for true, predicted, count in confused_cells(evaluation.predictions)}
    support = [entry.support for entry in evaluation.quality.classes]
    columns = range(evaluation.match.known)
    head = "".join(f'<th scope="col"><span>{name(names[column])}</span></th>' for column in columns)
    rows = []
    for true in range(len(names)):
        if not support[true] and not any((other, true) in cells for other in range(len(names))):
            continue
        row = "".join(_matrix_cell(names, cells.get((true, column), 0), support[true], true, column) for column in columns)
        rows.append(f'<tr><th scope="row">{name(names[true])}</th>{row}</tr>')
    return (
        paragraph("Rows are true classes, columns what they are taken for; the shade is the share of the row.")
        + f'<div class="table"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        + f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _matrix_cell(names: tuple[str, ...], count: int, support: int, true: int, predicted: int) -> str:
    if not count:
        return "<td></td>"
    share = count / support
    told = f"{names[true]} taken for {names[predicted]}: {count:,} of {support:,} ({100 * share:.1f} %)"
    strong = ' class="strong"' if share > 0.6 else ""
    return f'<td{strong} style="--s:{share:.3f}" title="{text(told)}">{count}</td>'


def _explorer(evaluation: Evaluation) -> str:
    """Return a field that takes a class and tells what it is taken for; of very many cells the commonest are kept."""
    cells = confused_cells(evaluation.predictions)
    names = evaluation.match.names
    data = script_json({"names": names, "cells": cells[:_MOST_CELLS]})
    options = "".join(f'<option value="{text(own)}"></option>' for own in names)
    first = evaluation.confused[0].true if evaluation.confused else names[0]
    return (
        f'<div class="screen">{paragraph(f"Choose one of the {len(names):,} classes to see what it is taken for.")}'
        f'<input id="confusion-class" list="confusion-names" value="{text(first)}" aria-label="class">'
        f'<datalist id="confusion-names">{options}</datalist>'
        '<div class="told" id="confusion-told" hidden>'
        '<div><h3>Its images are taken for</h3><ol id="confusion-to"></ol></div>'
        '<div><h3>Taken for it</h3><ol id="confusion-from"></ol></div></div></div>'
        f'<script type="application/json" id="confusion-data">{data}</script>'
    )


def classes(evaluation: Evaluation, plots: Mapping[str, str]) -> str:
    """Return recall, precision and F1 of each class, to be sorted and searched."""
    told = [entry for entry in evaluation.quality.classes if entry.support or entry.predicted]
    told.sort(key=lambda entry: entry.f1 if entry.f1 is not None else 2.0)
    rows = [_class_row(entry) for entry in told]
    search = (
        '<input class="search" data-table="class-table" placeholder="find a class" aria-label="find a class">'
        if len(rows) > 20
        else ""
    )
    columns = ("class", ">images", ">recall", ">precision", ">F1")
    return (
        f'<div class="plots">{plot(plots["classes"], "Recall and precision; of many classes those found worst.")}</div>'
        + search
        + table(columns, rows, attributes=' class="sortable" id="class-table"')
    )


def _class_row(entry: ClassQuality) -> tuple[Cell, ...]:
    f1: Cell = (entry.f1, f"{100 * entry.f1:.1f} %") if entry.f1 is not None else (-1.0, "")
    return name(entry.name), (float(entry.support), f"{entry.support:,}"), _share(entry.recall), _share(entry.precision), f1


def _share(share: Share | None) -> Cell:
    return (share.value, text(share)) if share is not None else (-1.0, "")
