"""``tl evaluate``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlcore.errors import OptionError
from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import ENGINES, parse_settings, set_option

if TYPE_CHECKING:
    from tlcore.bundle import Bundle
    from tlcore.dataset import Dataset
    from tlcore.evaluation import Evaluation
    from tlcore.evaluation.options import LabelErrors, TestTime, UnknownClasses
    from tlcore.exported.classifier import Classifier
    from tlcore.progress import Progress
    from tlcore.registry import Registry

EPILOG = """\b
Examples:
  tl evaluate my-classifier other-photos/
  tl evaluate my-classifier photos/ --split test --report report.html
  tl evaluate model.onnx csv:photos.csv --slice camera --plots plots/ --json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("dataset", shell_complete=names_of("dataset"))
@click.option("--split", metavar="NAME", help="Which split to measure.  [default: test, else validation, else all]")
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Write a page that tells it all: one HTML file."
)
@click.option("--plots", type=click.Path(path_type=Path), metavar="DIR", help="Write each plot as a PNG file.")
@click.option(
    "--map", "class_map", multiple=True, metavar="NAME=CLASS", help="What a class of DATASET is to the model; repeatable."
)
@click.option(
    "--unknown-classes",
    type=click.Choice(["wrong", "leave-out"]),
    default="wrong",
    show_default=True,
    help="What becomes of images of classes the model cannot know.",
)
@click.option("--slice", "slices", multiple=True, metavar="COLUMN", help="Measure by a column of a table; repeatable.")
@click.option(
    "--test-time",
    type=click.Choice(["none", "flip", "crops"]),
    default="none",
    show_default=True,
    help="Average mirror images, or ten crops, as well.",
)
@click.option(
    "--label-errors",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="Look for wrong labels; auto where it is quick.",
)
@click.option("--reference", metavar="DATASET", help="What the model was trained on, to tell unfamiliar images by.")
@click.option(
    "--false-alarms", default=0.05, show_default=True, metavar="SHARE", help="Of familiar images called unfamiliar, at most."
)
@click.option("--seed", default=0, show_default=True, help="Of intervals and folds.")
@click.option(
    "--preprocess",
    "preprocess_file",
    type=click.Path(path_type=Path),
    help="For an ONNX file tlcore did not write: a JSON file with its preprocess record.",
)
@click.option("--no-audit", is_flag=True, help="Tell nothing in the report of damage, copies and leaks in the data.")
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be read.")
@click.option("--engine", default="auto", show_default=True, type=ENGINES, help="What runs the network.")
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
@click.pass_context
def evaluate(
    context: click.Context,
    model: Path,
    dataset: str,
    split: str | None,
    report: Path | None,
    plots: Path | None,
    class_map: tuple[str, ...],
    unknown_classes: UnknownClasses,
    slices: tuple[str, ...],
    test_time: TestTime,
    label_errors: LabelErrors,
    reference: str | None,
    false_alarms: float,
    seed: int,
    preprocess_file: Path | None,
    no_audit: bool,
    strict: bool,
    engine: str,
    no_cache: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Measure MODEL, a bundle or an ONNX file, on the labelled images of DATASET.

    Images that a bundle was trained on, the same files by content, are passed over and counted. Classes are matched by
    name, in whatever order.
    """
    from tlcore.evaluation import EvaluateOptions
    from tlcore.evaluation import evaluate as evaluate_model
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore_cli.terminal import progress

    options = EvaluateOptions(
        class_map=_class_map(class_map),
        unknown_classes=unknown_classes,
        slices=slices,
        test_time=test_time,
        label_errors=label_errors,
        false_alarm_rate=false_alarms,
        seed=seed,
    )
    _check_outputs(report, plots)
    keep_freed()
    own = settings_of(context)
    registry = own.registry()
    data_options = parse_settings(settings, ("dataset",))["dataset"]
    cache = None if no_cache else cache_directory()
    with progress(own.quiet or as_json) as bars:
        data = registry.dataset(dataset, data_options)
        evaluation = evaluate_model(
            _model(model, preprocess_file, registry, cache),
            data,
            split=split,
            options=options,
            reference=registry.dataset(reference) if reference is not None else None,
            strict=strict,
            engine=engine,
            cache_directory=cache,
            registry=registry,
            progress=bars,
        )
        _write(evaluation, data, report, plots, None if no_audit else _Audit(cache), bars)
    _show(evaluation, report, plots, own.quiet, as_json)


evaluate.params.insert(-4, set_option("dataset"))


@dataclass(frozen=True)
class _Audit:
    """That the data is to be audited, and where the audit keeps what it saw."""

    cache: Path | None


def _class_map(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=CLASS`` texts.

    >>> _class_map(["tabby=cat"])
    {'tabby': 'cat'}
    """
    found = {}
    for pair in pairs:
        name, equals, target = pair.partition("=")
        if not equals or not name or not target:
            raise OptionError(f"--map takes NAME=CLASS, for instance tabby=cat, got {pair!r}")
        found[name] = target
    return found


def _check_outputs(report: Path | None, plots: Path | None) -> None:
    """Refuse before any work what could not be written after it."""
    if report is not None and report.is_dir():
        raise OptionError(f"--report {report}: is a directory; name a file, for instance {report / 'report.html'}")
    if plots is not None and plots.exists() and not plots.is_dir():
        raise OptionError(f"--plots {plots}: is a file; name a directory")


def _model(path: Path, preprocess_file: Path | None, registry: Registry, cache: Path | None) -> Bundle | Classifier:
    if path.suffix.lower() == ".onnx" or preprocess_file is not None:
        from tlcore.exported.classifier import Classifier
        from tlcore_cli.preprocess_file import read_preprocess

        return Classifier(path, preprocess=read_preprocess(preprocess_file))
    from tlcore.bundle import load_bundle

    return load_bundle(path, registry, cache_directory=cache)


def _write(
    evaluation: Evaluation, data: Dataset, report: Path | None, plots: Path | None, audit: _Audit | None, bars: Progress
) -> None:
    from tlcore.audit import audit_dataset
    from tlcore.evaluation import evaluation_page, write_plots
    from tlcore_cli.audit_summary import write_page

    if plots is not None:
        write_plots(evaluation, plots, progress=bars)
    if report is not None:
        found = audit_dataset(data, cache_directory=audit.cache, progress=bars) if audit is not None else None
        command = shlex.join(["tl", *sys.argv[1:]])
        write_page(report, evaluation_page(evaluation, command=command, audit=found, progress=bars))


def _show(evaluation: Evaluation, report: Path | None, plots: Path | None, quiet: bool, as_json: bool) -> None:
    from tlcore_cli.evaluation_summary import show_evaluation
    from tlcore_cli.terminal import notes, print_json

    if as_json:
        print_json(evaluation.to_dict())
    else:
        show_evaluation(evaluation, quiet)
    for what, path in (("report", report), ("plots", plots)):
        if path is not None:
            notes(quiet).print(f"{what}: {path}", markup=False)
