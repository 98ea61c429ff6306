"""An audit as one self-contained HTML page with thumbnails; works in light and dark, on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tlcore.audit.findings import AuditReport, Entry, Finding
from tlcore.dataset import Dataset
from tlcore.display.page_style import STYLE
from tlcore.display.thumbnails import data_uri
from tlcore.packed_samples import names_of
from tlcore.sample import Sample

MAX_ENTRIES = 40
"""How many entries of each finding the page shows; the JSON report holds them all."""

MAX_IMAGES = 8
"""How many images of one entry it shows."""


def audit_page(report: AuditReport, dataset: Dataset) -> str:
    """Return the page. Thumbnails are read again from the dataset's images.

    Args:
        report: of an audit.
        dataset: the one that was audited.
    """
    samples = _shown(report, dataset)
    overview = "".join(
        f'<li class="{finding.severity}"><span class="kind">{finding.severity}</span> '
        f'<a href="#{finding.kind}">{escape(finding.summary)}</a></li>'
        for finding in report.findings
    )
    sections = [_section(finding, samples, dataset.class_names) for finding in report.findings]
    verdict = "" if report.findings else '<p class="good">Nothing was found that needs your attention.</p>'
    title = f"Audit of {escape(report.dataset)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n"
        f'<p class="soft">{report.images:,} images, {len(dataset.class_names):,} classes; '
        f"{len(report.problems)} kinds of problem, {len(report.findings) - len(report.problems)} of notice; "
        f"{len(report.exclude):,} images suggested to leave out. Nothing was changed.</p>\n"
        f"{verdict}<nav><ul>{overview}</ul></nav>{_counts(report)}\n{''.join(sections)}</main></body></html>\n"
    )


def _shown(report: AuditReport, dataset: Dataset) -> dict[str, tuple[Sample, str]]:
    """Return name to sample and split of the images that are on the page."""
    wanted = {
        name for finding in report.findings for entry in finding.entries[:MAX_ENTRIES] for name in entry.images[:MAX_IMAGES]
    }
    return {
        name: (part[place], split)
        for split, part in dataset.splits.items()
        for place, name in enumerate(names_of(part))
        if name in wanted
    }


def _counts(report: AuditReport) -> str:
    splits = list(report.counts)
    classes = list(dict.fromkeys(name for counts in report.counts.values() for name in counts))
    head = "".join(f'<th class="number">{escape(split)}</th>' for split in splits)
    rows = [
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="number">{report.counts[split].get(name, 0):,}</td>' for split in splits)
        + "</tr>"
        for name in classes[:MAX_ENTRIES]
    ]
    more = f'<p class="soft">and {len(classes) - MAX_ENTRIES:,} classes more</p>' if len(classes) > MAX_ENTRIES else ""
    return (
        f"<details{' open' if len(classes) <= 12 else ''}><summary>Images of each class</summary>"
        f'<div class="table"><table><tr><th>class</th>{head}</tr>{"".join(rows)}</table></div>{more}</details>'
    )


def _section(finding: Finding, samples: Mapping[str, tuple[Sample, str]], class_names: tuple[str, ...]) -> str:
    entries = "".join(_entry(entry, samples, class_names) for entry in finding.entries[:MAX_ENTRIES])
    hidden = finding.count - min(finding.count, MAX_ENTRIES)
    more = f'<p class="soft">and {hidden:,} more, listed in the JSON report</p>' if hidden else ""
    return (
        f'<section class="{finding.severity}" id="{finding.kind}"><span class="kind">{finding.severity}</span>'
        f'<h2>{escape(finding.summary)}</h2><p class="advice">{escape(finding.advice)}</p>'
        f'<div class="entries">{entries}</div>{more}</section>\n'
    )


def _entry(entry: Entry, samples: Mapping[str, tuple[Sample, str]], class_names: tuple[str, ...]) -> str:
    figures = "".join(_figure(name, samples, class_names) for name in entry.images[:MAX_IMAGES])
    hidden = len(entry.images) - MAX_IMAGES
    more = f'<p class="soft">and {hidden:,} images more</p>' if hidden > 0 else ""
    images = f'<div class="images">{figures}</div>{more}' if figures else ""
    width = " wide" if len(entry.images) > 2 else ""
    return f'<div class="entry{width}"><p>{escape(entry.note)}</p>{images}</div>'


def _figure(name: str, samples: Mapping[str, tuple[Sample, str]], class_names: tuple[str, ...]) -> str:
    shown = escape(name.encode("utf-8", "backslashreplace").decode())
    if name not in samples:
        return f'<div class="unseen">{shown}</div>'
    sample, split = samples[name]
    place = escape(class_names[sample.label]) + ("" if split == "all" else f", {escape(split)}")
    uri = data_uri(sample)
    if not uri:
        return f'<div class="unseen">{shown}<br>{place}</div>'
    return f'<figure><img src="{uri}" alt=""><figcaption>{shown}<br>{place}</figcaption></figure>'
