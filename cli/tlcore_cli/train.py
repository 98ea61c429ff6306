"""``tl train``."""

from __future__ import annotations

from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import ENGINES, parse_settings, set_option
from tlcore_cli.slug import slug

EPILOG = """\b
Examples:
  tl train photos/                                    a folder per class; a fifth is held out for measuring
  tl train photos/ --backbone resnet50 --output good  another network, another place
  tl train digits --backbone local-dir:weights/       weights from a directory, nothing downloaded
  tl train photos/ --class-weight balanced --set head.max_iterations=200
  tl train photos/ --views flip                       learn from mirror images too, answer for both
  tl train photos/ --folds 5                          measure on every photo, by cross-validation
  tl train photos/ --exclude leave-out.tsv            without what 'tl data check --exclude-list' suggested
  tl train photos/ --finetune full                    then train the network itself, layer by layer slower
  tl train photos/ --finetune full --set finetune.epochs=20 --set finetune.mixup=0.2
  tl train --resume photos-classifier.run             go on with a run that was ended
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("dataset", required=False, shell_complete=names_of("dataset"))
@click.option(
    "--backbone", metavar="NAME", shell_complete=names_of("backbone"), help="Pretrained network; 'tl backbones' lists them."
)
@click.option(
    "--head",
    default="linear",
    show_default=True,
    metavar="NAME",
    shell_complete=names_of("head"),
    help="'tl heads' lists them.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where the bundle goes.  [default: DATASET-BACKBONE here]"
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the split and the fit.")
@click.option("--validation", default=0.15, show_default=True, metavar="SHARE", help="Held out to choose settings by.")
@click.option("--test", default=0.2, show_default=True, metavar="SHARE", help="Held out to measure with.")
@click.option("--folds", type=click.IntRange(2), help="Measure by cross-validation instead, then learn from all images.")
@click.option("--split-from", type=click.Path(path_type=Path), metavar="BUNDLE", help="Divide as this bundle was divided.")
@click.option("--exclude", type=click.Path(path_type=Path), metavar="FILE", help="Leave out the images this list names.")
@click.option("--root", metavar="DIR", help="Your own copy of a named dataset; short for --set dataset.root=DIR")
@click.option("--no-audit", is_flag=True, help="Do not look for copies and leaks first.")
@click.option("--class-weight", type=click.Choice(["none", "balanced"]), help="Short for --set head.class_weight=...")
@click.option(
    "--finetune",
    metavar="NAME",
    shell_complete=names_of("finetune"),
    help="Train the network on from the head: last-block, gradual, full, lora; 'tl finetunes' lists them.  [default: none]",
)
@click.option("--run", type=click.Path(path_type=Path), metavar="DIR", help="Fine-tuning's folder.  [default: OUTPUT.run]")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with the fine-tuning run in RUN.")
@click.option(
    "--observer",
    "observers",
    multiple=True,
    metavar="NAME",
    shell_complete=names_of("observer"),
    help="Who logs fine-tuning besides json-lines; 'tl observers' lists them. May be repeated.",
)
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be read.")
@click.option("--engine", default="auto", show_default=True, type=ENGINES, help="What runs the network.")
@click.option(
    "--views", default="one", show_default=True, metavar="one|flip|crops:N", help="Looks at each image to learn from."
)
@click.option(
    "--layers", type=click.IntRange(1), metavar="N", help="Learn from N layers of the network, not its last alone."
)
@click.option(
    "--pyramid",
    type=click.IntRange(2, 4),
    metavar="LEVELS",
    help="Learn from the image, its quarters (2), sixteenths (3), ... side by side.",
)
@click.option("--no-cache", is_flag=True, help="Neither read nor keep features.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def train(
    context: click.Context,
    dataset: str | None,
    backbone: str | None,
    head: str,
    output: Path | None,
    seed: int,
    validation: float,
    test: float,
    folds: int | None,
    split_from: Path | None,
    exclude: Path | None,
    root: str | None,
    no_audit: bool,
    class_weight: str | None,
    finetune: str | None,
    run: Path | None,
    resume: Path | None,
    observers: tuple[str, ...],
    strict: bool,
    engine: str,
    views: str,
    layers: int | None,
    pyramid: int | None,
    no_cache: bool,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Train a classifier on DATASET and save it as a bundle.

    DATASET is a folder of photos with one folder per class (or train/, val/ and test/ with those in each), or a name that
    'tl datasets' lists. Images the network has seen before are not computed again. An earlier bundle at the output is
    replaced once the new one is whole.
    """
    from tlcore.data.splits import SplitFractions
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore.training import TrainOptions
    from tlcore.training import train as train_classifier
    from tlcore.training.run_folder import RunRequest
    from tlcore_cli.fine_tuning import interruptible, is_reporting, read_request
    from tlcore_cli.terminal import print_json, progress
    from tlcore_cli.training_summary import show_training

    if resume is not None:
        request = read_request(context, resume)
    elif dataset is None:
        raise click.UsageError("name a dataset to train on, or a run to go on with: --resume RUN", context)
    else:
        chosen = parse_settings(settings, ("dataset", "backbone", "head", "finetune"))
        if class_weight is not None:
            chosen["head"].setdefault("class_weight", class_weight)
        if root is not None:
            chosen["dataset"].setdefault("root", root)
        options = TrainOptions(
            backbone=backbone,
            head=head,
            dataset_options=chosen["dataset"],
            backbone_options=chosen["backbone"],
            head_options=chosen["head"],
            fractions=SplitFractions(validation=validation, test=test),
            seed=seed,
            strict=strict,
            audit=not no_audit,
            exclude=exclude,
            split_from=split_from,
            engine=engine,
            views=views,
            layers=layers,
            pyramid=pyramid,
            folds=folds,
            finetune=None if finetune == "none" else finetune,
            finetune_options=chosen["finetune"],
            observers=tuple(dict.fromkeys(("json-lines", *observers))),
            run=run,
        )
        target = output or Path(f"{slug(dataset)}-{slug(backbone or 'classifier')}")
        request = RunRequest(dataset=dataset, output=target, options=options)
    keep_freed()
    own = settings_of(context)
    quiet = own.quiet or as_json or not is_reporting()
    with interruptible(context, request), progress(quiet) as report:
        result = train_classifier(
            request.dataset,
            request.output,
            request.options,
            registry=own.registry(),
            cache_directory=None if no_cache else cache_directory(),
            progress=report,
        )
    if not is_reporting():
        return
    if as_json:
        print_json(result.to_dict())
    else:
        show_training(result, own.quiet)


train.params.insert(-4, set_option("dataset", "backbone", "head", "finetune"))
