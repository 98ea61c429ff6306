"""What a person reads after ``tl data check`` and ``tl data info``, and the files these write."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tlcore.audit import AuditReport
from tlcore.data.summary import DatasetSummary
from tlcore.dataset import Dataset
from tlcore.errors import DatasetError
from tlcore.machine.atomic import write_file
from tlcore_cli.terminal import notes, results, shown, table, tell_left_out

_FIRST = 5
_NAMES = 4


def show_audit(report: AuditReport, quiet: bool) -> None:
    """Print each finding with its first entries."""
    console = results()
    classes = len({name for counts in report.counts.values() for name in counts})
    known = f", {report.cached:,} known from before" if report.cached else ""
    console.print(f"{shown(report.dataset)}: {report.images:,} images, {classes:,} classes{known}; {report.seconds:.1f} s")
    for finding in report.findings:
        colour = "red" if finding.severity == "problem" else "yellow"
        console.print(f"\n[{colour}]{finding.severity}[/{colour}]  {shown(finding.summary)}")
        for entry in finding.entries[:_FIRST]:
            console.print(f"  {shown(_line(entry.images, entry.note))}")
        if finding.count > _FIRST:
            console.print(f"  and {finding.count - _FIRST:,} more")
        console.print(f"  [dim]{shown(finding.advice)}[/dim]")
    if not report.findings:
        console.print("[green]nothing found that needs your attention[/green]")
    if report.exclude:
        notes(quiet).print(f"\n{len(report.exclude):,} images could be left out: --exclude-list FILE writes them down")


def show_info(dataset: Dataset, summary: DatasetSummary, quiet: bool) -> None:
    """Print counts by class and split, sizes, encodings and licence."""
    console = results()
    splits = list(summary.counts)
    totals = [sum(summary.counts[split].values()) for split in splits]
    rows = [(name, *(f"{summary.counts[split].get(name, 0):,}" for split in splits)) for name in dataset.class_names]
    rows.append(("all classes", *(f"{total:,}" for total in totals)))
    console.print(table("", ("class", *(f">{split}" for split in splits)), rows))
    formats = ", ".join(f"{count:,} {name}" for name, count in summary.formats.items())
    console.print(f"\nimages: {formats}; {summary.total_bytes / 1e6:,.1f} MB")
    for what, spread in (("width", summary.widths), ("height", summary.heights)):
        if spread is not None:
            console.print(f"{what}: {spread[0]:,} to {spread[2]:,} pixels, median {spread[1]:,}")
    console.print(f"licence: {dataset.licence or 'not stated'}", markup=False)
    for text in (dataset.citation, dataset.homepage):
        if text:
            console.print(text, markup=False)
    tell_left_out(dataset.left_out, quiet)


def write_page(path: Path, page: str) -> None:
    """Write an HTML page; raises `DatasetError` where it cannot be written."""
    try:
        write_file(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise DatasetError(f"{path}: the page cannot be written: {error.strerror or error}") from error


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture in the format its name says; raises `DatasetError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the contact sheet cannot be written: {error}; name it .png or .jpg") from error


def _line(images: tuple[str, ...], note: str) -> str:
    more = f" and {len(images) - _NAMES} more" if len(images) > _NAMES else ""
    names = ", ".join(images[:_NAMES]) + more
    return f"{names}: {note}" if names else note
