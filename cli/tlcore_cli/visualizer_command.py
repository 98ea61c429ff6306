"""Short forms of ``tl visualize``: commands whose flags are the options that the visualizer's plugin states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tlcore_cli.command import Command, settings_of

_META = "tlcore.visualizer_flags"


class VisualizerCommand(Command):
    """A command that takes each option of a visualizer as a flag: ``steps`` becomes ``--steps``.

    They are read from the plugin when the command is parsed or its help is shown, with nothing heavy imported.

    Args:
        run: does the work, given the running command's context.
        visualizer: name of the visualizer whose options are flags; None for none.
    """

    def __init__(
        self, *arguments: Any, run: Callable[[click.Context], None], visualizer: str | None = None, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self._run = run
        self._visualizer = visualizer
        self._flags: list[click.Parameter] | None = None

    def get_params(self, context: click.Context) -> list[click.Parameter]:
        """Return the parameters: those written down, then the visualizer's options, then the help option."""
        if self._flags is None:
            taken = {name for parameter in self.params for name in parameter.opts}
            self._flags = [flag for flag in self._read_flags(context) if not taken.intersection(flag.opts)]
        own = super().get_params(context)
        shared = len(self.params)
        return [*own[:shared], *self._flags, *own[shared:]]

    def invoke(self, context: click.Context) -> None:
        """Do the work."""
        self._run(context)

    def _read_flags(self, context: click.Context) -> list[click.Parameter]:
        from tlcore.errors import TlcoreError
        from tlcore.options import describe_options

        if self._visualizer is None:
            return []
        try:
            spec = settings_of(context).registry().resolve("visualizer", self._visualizer).offer.spec
        except TlcoreError:
            return []  # running the command says what is the matter; its help is shown all the same
        return [_flag(option.name, option.type, option.default, option.help) for option in describe_options(spec.options)]


def flags_given(context: click.Context) -> dict[str, object]:
    """Return the visualizer's options that flags of the running command set, by name."""
    return dict(context.meta.get(_META, {}))


def _flag(name: str, type_name: str, default: object, told: str) -> click.Option:
    words = name.replace("_", "-")
    shown = "none" if default is None else ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    ending = f"  [default: {shown}]" if shown else ""
    if type_name == "bool":
        return click.Option(
            [f"--{words}/--no-{words}", name], default=None, expose_value=False, callback=_note, help=f"{told}{ending}"
        )
    return click.Option([f"--{words}", name], metavar=type_name, expose_value=False, callback=_note, help=f"{told}{ending}")


def _note(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name is not None:
        context.meta.setdefault(_META, {})[parameter.name] = value
