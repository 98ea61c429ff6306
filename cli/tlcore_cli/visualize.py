"""``tl visualize``, and its short forms ``tl ideal``, ``tl adversarial``, ``tl features``, ``tl explain`` and ``tl map``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlcore_cli.command import settings_of
from tlcore_cli.completion import names_of
from tlcore_cli.settings import parse_settings, set_option
from tlcore_cli.slug import slug
from tlcore_cli.visualizer_command import VisualizerCommand, flags_given

if TYPE_CHECKING:
    from tlcore.visualizer import Visualization

EPILOG = """\b
Examples:
  tl visualize ideal mini --class zebra                        the network in the box draws a zebra
  tl visualize explain my-classifier photo.jpg --out look/
  tl visualize adversarial my-classifier photo.jpg --class cat --set visualizer.epsilon=4/255
"""

HELP = """Look into MODEL with the visualizer NAME, or at what it makes of each IMAGE.

MODEL is a backbone with its own classifier ('tl backbones' lists some) or a bundle that 'tl train' made; 'tl visualizers'
lists the ways to look. Pictures are written as PNG with a contact sheet, and record.json says how to make them again.
"""

_MODEL = "MODEL is a backbone with its own classifier, or a bundle that 'tl train' made."

SHARED: tuple[click.Parameter, ...] = (
    click.Option(
        ["--class", "classes"], multiple=True, metavar="CLASS",
        help="Name, synonym or index of a class; may be repeated.",
    ),
    click.Option(
        ["--dataset"], metavar="DATASET", shell_complete=names_of("dataset"), help="Labelled images, where some are needed."
    ),
    click.Option(
        ["--judge", "judges"], multiple=True, metavar="MODEL", shell_complete=names_of("backbone"),
        help="Another network to judge the result by; may be repeated.",
    ),
    click.Option(
        ["--companion", "companions"], multiple=True, metavar="MODEL", shell_complete=names_of("backbone"),
        help="Another network to draw an ideal image by too; may be repeated; none = no other.  "
        "[default: mini, where it knows the class]",
    ),
    click.Option(["--frames"], is_flag=True, help="Also save how each picture came about, as a GIF."),
    click.Option(["--seed"], default=0, show_default=True, type=click.IntRange(0), help="Of anything random."),
    click.Option(
        ["-o", "--out", "--output", "output"], type=click.Path(path_type=Path), metavar="DIR",
        help="Where the pictures go.  [default: NAME-MODEL here]",
    ),
    click.Option(["--overwrite"], is_flag=True, help="Replace earlier pictures there."),
    click.Option(["--no-cache"], is_flag=True, help="Neither read nor keep features."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print the record as JSON on stdout."),
    set_option("backbone", "dataset", "visualizer"),
)  # fmt: skip
"""What every form of the command takes."""


def run(context: click.Context, name: str) -> None:
    """Make the pictures that the running command asks of the visualizer `name`, save them, and tell what came out."""
    from tlcore.machine.memory import keep_freed
    from tlcore.machine.paths import cache_directory
    from tlcore.visualization import VisualizeOptions
    from tlcore.visualization import visualize as visualize_model
    from tlcore.visualization.files import check_output, save_visualization
    from tlcore_cli.image_paths import expand_images
    from tlcore_cli.terminal import notes, progress
    from tlcore_cli.visualization_summary import show_visualization

    own, asked, model = settings_of(context), context.params, context.params["model"]
    directory = asked["output"] or Path(f"{slug(name)}-{slug(model)}")
    check_output(directory, overwrite=asked["overwrite"])
    chosen = parse_settings(asked["settings"], ("backbone", "dataset", "visualizer", name))
    options = VisualizeOptions(
        classes=asked["classes"],
        dataset=asked["dataset"],
        judges=asked["judges"],
        companions=_companions(asked["companions"]),
        frames=asked["frames"],
        seed=asked["seed"],
        options={**flags_given(context), **chosen["visualizer"], **chosen[name]},
        backbone_options=chosen["backbone"],
        dataset_options=chosen["dataset"],
    )

    def rescue(unfinished: Visualization) -> None:
        save_visualization(unfinished, directory, overwrite=asked["overwrite"])
        notes(own.quiet).print(f"interrupted; the best so far is in {directory}", markup=False)

    keep_freed()
    with progress(own.quiet or asked["as_json"]) as report:
        result = visualize_model(
            name,
            model,
            list(expand_images(asked["images"])),
            options,
            registry=own.registry(),
            cache_directory=None if asked["no_cache"] else cache_directory(),
            progress=report,
            rescue=rescue,
        )
    files = save_visualization(result, directory, overwrite=asked["overwrite"]) if result.pictures or result.files else ()
    show_visualization(result, directory, files, as_json=asked["as_json"], quiet=own.quiet)


def _companions(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the companions that were named: None where nothing was said, none at all for ``none``."""
    from tlcore.errors import OptionError

    if not names:
        return None
    if "none" in names and len(names) > 1:
        raise OptionError("'--companion none' draws by one network alone: leave it or the others out")
    return () if names == ("none",) else names


_ARGUMENTS: tuple[click.Parameter, ...] = (
    click.Argument(["model"], shell_complete=names_of("backbone")),
    click.Argument(["images"], nargs=-1, metavar="[IMAGE]..."),
)

visualize = VisualizerCommand(
    "visualize",
    run=lambda context: run(context, context.params["visualizer"]),
    params=[click.Argument(["visualizer"], metavar="NAME", shell_complete=names_of("visualizer")), *_ARGUMENTS, *SHARED],
    help=HELP,
    epilog=EPILOG,
)


def short_form(name: str, told: str, examples: str) -> VisualizerCommand:
    """Make the command ``tl NAME``: ``tl visualize NAME``, with the visualizer's own options as flags.

    Args:
        name: of the visualizer and the command.
        told: what its help says.
        examples: command lines for the end of its help.
    """
    return VisualizerCommand(
        name,
        visualizer=name,
        run=lambda context: run(context, name),
        params=[*_ARGUMENTS, *SHARED],
        help=f"{told}\n\n{_MODEL}",
        epilog="\b\nExamples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
    )


ideal = short_form(
    "ideal",
    "Draw what MODEL holds to be the ideal image of a class, by gradient ascent from noise.",
    "tl ideal mini --class zebra\ntl ideal my-classifier --class cat --class dog --seconds 30 --out drawn/",
)

adversarial = short_form(
    "adversarial",
    "Change each IMAGE as little as can be so that MODEL takes it for another class.",
    "tl adversarial my-classifier dog.jpg --class cat",
)

features = short_form(
    "features",
    "Show the filters of MODEL's layers, and what they find in each IMAGE.",
    "tl features mini photo.jpg",
)

explain = short_form(
    "explain",
    "Show which pixels of each IMAGE the answer of MODEL rests on.",
    "tl explain my-classifier photo.jpg",
)

map_ = short_form(
    "map",
    "Lay the images of a dataset out as a map, like beside like, as MODEL sees them.",
    "tl map my-classifier --dataset photos/",
)
