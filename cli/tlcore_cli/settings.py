"""``--set kind.option=value``: options of plugin objects from the command line."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tlcore.errors import OptionError, did_you_mean
from tlcore_cli.completion import settings_for

ENGINES = click.Choice(["auto", "onnx", "openvino", "torch"])
"""What ``--engine`` takes; a test holds it equal to `tlcore.engines.ENGINES`, which importing here would slow ``--help``."""


def set_option(*kinds: str) -> click.Option:
    """Return the ``--set`` option of a command that makes plugin objects of these kinds."""
    listed = ", ".join(f"{kind}.NAME=VALUE" for kind in kinds)
    return click.Option(
        ["--set", "settings"],
        multiple=True,
        shell_complete=settings_for(kinds),
        metavar="KIND.NAME=VALUE",
        help=f"An option of a plugin object ({listed}); may be repeated. 'tl {kinds[-1]}s NAME' lists a {kinds[-1]}'s.",
    )


def parse_settings(settings: Sequence[str], kinds: Sequence[str]) -> dict[str, dict[str, object]]:
    """Sort ``kind.name=value`` texts by kind.

    >>> parse_settings(["head.max_iterations=20"], ["backbone", "head"])
    {'backbone': {}, 'head': {'max_iterations': '20'}}
    """
    parsed: dict[str, dict[str, object]] = {kind: {} for kind in kinds}
    for setting in settings:
        target, equals, value = setting.partition("=")
        kind, dot, name = target.partition(".")
        if not equals or not dot or not name:
            raise OptionError(f"--set takes KIND.NAME=VALUE, for instance {kinds[-1]}.option=1, got {setting!r}")
        if kind not in parsed:
            hint = did_you_mean(kind, kinds) or ";"
            raise OptionError(f"--set {setting}: there is no {kind!r} here{hint} it takes {', '.join(kinds)}")
        parsed[kind][name] = value
    return parsed
