"""What the commands share that measure heads on a dataset's cached features: options, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tlcore_cli.command import settings_of
from tlcore_cli.settings import ENGINES, parse_settings

if TYPE_CHECKING:
    from tlcore.progress import Progress
    from tlcore.registry import Registry

Found = TypeVar("Found")

_KINDS = ("dataset", "backbone", "head")


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What the shared options say.

    Attributes:
        engine: what runs networks.
        exclude: list of images to leave out.
        audit: whether copies are looked for.
        cache: whether features and results are kept.
        plot: where to draw.
        as_json: whether JSON is printed.
        options: of the plugin objects, kind to option name to value.
    """

    engine: str
    exclude: Path | None
    audit: bool
    cache: bool
    plot: Path | None
    as_json: bool
    options: Mapping[str, Mapping[str, object]]

    def run(self, context: click.Context, measure: Callable[[Registry, Path | None, Progress], Found]) -> Found:
        """Measure with a registry, the cache directory and progress on the terminal."""
        from tlcore.machine.memory import keep_freed
        from tlcore.machine.paths import cache_directory
        from tlcore_cli.terminal import progress

        keep_freed()
        own = settings_of(context)
        with progress(own.quiet or self.as_json) as report:
            return measure(own.registry(), cache_directory() if self.cache else None, report)


def measuring_options(*, kept: str, plotted: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the shared options to a command, whose function takes them as one argument, ``measuring``.

    Args:
        kept: what ``--no-cache`` neither reads nor keeps.
        plotted: what ``--plot`` does.
    """
    options = (
        click.option("--engine", default="auto", show_default=True, type=ENGINES, help="What runs the network."),
        click.option(
            "--exclude", type=click.Path(path_type=Path), metavar="FILE", help="Leave out the images this list names."
        ),
        click.option("--root", metavar="DIR", help="Your own copy of a named dataset; short for --set dataset.root=DIR"),
        click.option("--no-audit", is_flag=True, help="Do not look for copies first."),
        click.option("--no-cache", is_flag=True, help=f"Neither read nor keep {kept}."),
        click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png", help=plotted),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def gathered(
            *arguments: Any,
            engine: str,
            exclude: Path | None,
            root: str | None,
            no_audit: bool,
            no_cache: bool,
            plot: Path | None,
            as_json: bool,
            settings: tuple[str, ...],
            **own: Any,
        ) -> Any:
            chosen = parse_settings(settings, _KINDS)
            if root is not None:
                chosen["dataset"].setdefault("root", root)
            asked = Measuring(
                engine=engine,
                exclude=exclude,
                audit=not no_audit,
                cache=not no_cache,
                plot=plot,
                as_json=as_json,
                options=chosen,
            )
            return command(*arguments, **own, measuring=asked)

        decorated: Callable[..., Any] = gathered
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
