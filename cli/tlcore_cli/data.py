"""``tl data``: fetch a dataset, look at it, check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import Command, LazyGroup, settings_of
from tlcore_cli.settings import parse_settings, set_option

if TYPE_CHECKING:
    from tlcore.dataset import Dataset

COMMANDS = {
    "download": ("tlcore_cli.data:download", "Fetch a dataset to this computer."),
    "check": ("tlcore_cli.data:check", "Look for damage, copies, leaks and oddities."),
    "info": ("tlcore_cli.data:info", "Count what a dataset holds, and picture it."),
}

EPILOG = """\b
Examples:
  tl data check photos/ --html report.html --exclude-list leave-out.tsv
  tl train photos/ --exclude leave-out.tsv
  tl data info oxford-iiit-pet --sheet breeds.png
"""


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, epilog=EPILOG)
def data() -> None:
    """Fetch datasets, look at them, and check them before training.

    Nothing of yours is ever rewritten, moved or deleted.
    """


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--url", "urls", multiple=True, metavar="URL", help="Fetch from here instead; a folder ends with /. Repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def download(context: click.Context, name: str, urls: tuple[str, ...], as_json: bool) -> None:
    """Fetch the dataset NAME, check its SHA-256, and unpack it into the cache directory (TLCORE_HOME).

    An interrupted download continues where it was; archives fetched by hand and put there are used.
    """
    import os

    from tlcore.errors import DownloadError
    from tlcore_cli.terminal import notes, print_json, progress, results

    own = settings_of(context)
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise DownloadError("--offline (or HF_HUB_OFFLINE=1) forbids downloading; leave it out to fetch a dataset")
    with progress(own.quiet or as_json) as report:
        result = own.registry().download(name, urls=urls, progress=report)
    if as_json:
        print_json(
            {
                "name": name,
                "directory": str(result.directory),
                "files": dict(result.files),
                "licence": result.licence,
                "citation": result.citation,
                "homepage": result.homepage,
            }
        )
        return
    results().print(f"{name} is in {result.directory}", markup=False)
    side = notes(own.quiet)
    if result.fresh:
        side.print(f"licence: {result.licence}\nplease cite: {result.citation}\n{result.homepage}", markup=False)
    side.print(f"next: tl data check {name}   tl train {name}", markup=False)


@click.command(cls=Command)
@click.argument("dataset")
@click.option("--root", metavar="DIR", help="Your own copy of a named dataset; short for --set dataset.root=DIR")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with pictures of what was found."
)
@click.option(
    "--exclude-list",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what to leave out, for tl train --exclude.",
)
@click.option("--strict", is_flag=True, help="End with exit code 2 if there is a problem; a notice is none.")
@click.option("--no-cache", is_flag=True, help="Decode every image again, and keep no results.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON on stdout.")
@click.pass_context
def check(
    context: click.Context,
    dataset: str,
    root: str | None,
    html: Path | None,
    exclude_list: Path | None,
    strict: bool,
    no_cache: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Look at every image of DATASET and report what is damaged, copied, contradictory, leaking or odd.

    It suggests and changes nothing. Copies are found exactly and by likeness (resized, re-encoded). A second check of the
    same files takes seconds.
    """
    from tlcore.audit import audit_dataset, audit_page
    from tlcore.data.exclusion import write_exclusions
    from tlcore.errors import DatasetError
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.audit_summary import show_audit, write_page
    from tlcore_cli.terminal import notes, print_json, progress

    own = settings_of(context)
    found = _dataset(context, dataset, root, settings)
    with progress(own.quiet or as_json) as bars:
        report = audit_dataset(found, cache_directory=None if no_cache else cache_directory(), progress=bars)
    if as_json:
        print_json(report.to_dict())
    else:
        show_audit(report, own.quiet)
    side = notes(own.quiet)
    if html is not None:
        write_page(html, audit_page(report, found))
        side.print(f"page with pictures: {html}", markup=False)
    if exclude_list is not None:
        write_exclusions(exclude_list, report.exclude, dataset=report.dataset)
        side.print(f"{len(report.exclude):,} images listed in {exclude_list}", markup=False)
        side.print(f"next: tl train {dataset} --exclude {exclude_list}", markup=False)
    if strict and report.problems:
        raise DatasetError(f"{dataset}: {'; '.join(finding.summary for finding in report.problems)}")


@click.command(cls=Command)
@click.argument("dataset")
@click.option("--root", metavar="DIR", help="Your own copy of a named dataset; short for --set dataset.root=DIR")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="FILE", help="Write a contact sheet, PNG or JPEG.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def info(
    context: click.Context, dataset: str, root: str | None, sheet: Path | None, as_json: bool, settings: tuple[str, ...]
) -> None:
    """Count DATASET's images by class and split, and say their sizes, encodings and licence."""
    from tlcore.data.summary import summarise_dataset
    from tlcore.display.thumbnails import contact_sheet, sheet_legend
    from tlcore_cli.audit_summary import show_info, write_picture
    from tlcore_cli.terminal import notes, print_json, progress

    own = settings_of(context)
    found = _dataset(context, dataset, root, settings)
    with progress(own.quiet or as_json) as bars:
        summary = summarise_dataset(found, progress=bars)
    legend = sheet_legend(found) if sheet is not None else {}
    if as_json:
        about = {"name": found.name, "licence": found.licence, "citation": found.citation, "homepage": found.homepage}
        left_out = [{"name": entry.name, "reason": entry.reason} for entry in found.left_out]
        print_json(
            {**about, "classes": list(found.class_names), **summary.to_dict(), "left_out": left_out, "legend": legend}
        )
    else:
        show_info(found, summary, own.quiet)
    if sheet is not None:
        write_picture(sheet, contact_sheet(found))
        side = notes(own.quiet)
        side.print(f"contact sheet: {sheet}", markup=False)
        for shown, name in legend.items():
            side.print(f"on the sheet, {shown} is {name}: no installed font has its characters", markup=False)


def _dataset(context: click.Context, name: str, root: str | None, settings: tuple[str, ...]) -> Dataset:
    options = parse_settings(settings, ("dataset",))["dataset"]
    if root is not None:
        options.setdefault("root", root)
    return settings_of(context).registry().dataset(name, options)


for _command in (check, info):
    _command.params.insert(-4, set_option("dataset"))
